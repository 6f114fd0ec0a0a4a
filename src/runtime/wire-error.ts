import { OperationalError } from './errors.ts';

/** An error as plain data. Structured clone drops an error's class and own fields, so errors cross threads like this. */
export interface WireError {
  code: string;
  message: string;
  retryable: boolean;
  /** Where it was thrown, in the thread that threw it. */
  stack: string | null;
}

/** `code` of an error that carries none: something threw what nobody planned for. */
export const INTERNAL_ERROR_CODE = 'internal';

/** Any thrown value as plain data; keeps the code of an OperationalError and of Node's own errors. */
export function toWireError(thrown: unknown): WireError {
  if (!(thrown instanceof Error)) return { code: INTERNAL_ERROR_CODE, message: String(thrown), retryable: false, stack: null };
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : INTERNAL_ERROR_CODE;
  const retryable = thrown instanceof OperationalError && thrown.retryable;
  return { code, message: thrown.message, retryable, stack: thrown.stack ?? null };
}

/** The error again, with the stack of the thread it comes from. */
export function fromWireError(error: WireError): OperationalError {
  const restored = new OperationalError(error.code, error.message, { retryable: error.retryable });
  if (error.stack !== null) restored.stack = error.stack;
  return restored;
}
