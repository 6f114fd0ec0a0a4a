import { z } from 'zod';

/** Who sends the bills: what stands at the head and the foot of each, and where to pay. */

const TEXT_MAX = 100;
const line = z.string().min(1).max(TEXT_MAX);
const optional = line.nullable().default(null);

export const issuerSchema = z.strictObject({
  name: line,
  /** Lines of the postal address. */
  address: z.array(line).max(6).default([]),
  phone: optional,
  email: optional,
  website: optional,
  /** VAT, GST or company number, as the law wants it on an invoice ("VAT CHE-123.456.789"). */
  taxId: optional,
  /** What else has to stand on a business letter: register, board, supervisory authority. */
  legalLines: z.array(line).max(4).default([]),
  /** Whom to call when there is no power, at any hour. */
  faultsPhone: optional,
  /** Where to pay; null: the payment slip names the issuer and the reference alone. */
  account: z
    .strictObject({
      holder: line.nullable().default(null),
      bank: optional,
      /** IBAN, or whatever number the country has ("BSB 062-000, account 1234 5678"). */
      number: line,
      bic: optional,
    })
    .nullable()
    .default(null),
  /** Colour of the letterhead. */
  colour: z.string().regex(/^#[0-9a-fA-F]{6}$/, 'expected a colour such as #0b5c8a').default('#0b5c8a'),
});

export type Issuer = z.output<typeof issuerSchema>;

/** Where nobody has set one. */
export const DEFAULT_ISSUER: Issuer = issuerSchema.parse({ name: 'Smart Energy Grid' });
