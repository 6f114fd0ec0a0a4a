import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it, beforeAll } from 'vitest';
import { ACCESS_TOKEN_MS, AccessTokens, newSigningKey, TOKEN_CHARS_MAX } from '../../src/actors/accounts/access-tokens.ts';
import type { SigningKey } from '../../src/actors/accounts/signing-key-book.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { randomBytes } from 'node:crypto';

const START_MS = Date.UTC(2026, 10, 27, 12);
const ISSUER = 'urn:seg:one';

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const decoded = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;

describe('access tokens', () => {
  let key: SigningKey;
  let time: VirtualTime;
  let tokens: AccessTokens;
  let good: string;
  let head: Record<string, unknown>;
  let payload: Record<string, unknown>;

  beforeAll(async () => {
    key = { ...(await newSigningKey(START_MS)), followedAt: null };
    time = new VirtualTime(START_MS);
    tokens = new AccessTokens(ISSUER, { clock: time, random: randomBytes });
    await tokens.useKeys([key]);
    good = (await tokens.sign({ userId: 'usr_ada', sessionId: 's1' })).token;
    head = decoded(good.split('.')[0]);
    payload = decoded(good.split('.')[1]);
  });

  /** As the engine would sign it, with something else in it. */
  function signed(changes: { head?: object; payload?: object } = {}, by = key.privateJwk): string {
    const text = `${base64({ ...head, ...changes.head })}.${base64({ ...payload, ...changes.payload })}`;
    return `${text}.${sign(null, Buffer.from(text), { key: by, format: 'jwk' } as never).toString('base64url')}`;
  }

  const code = async (token: string): Promise<string> => {
    const claims = await tokens.verify(token);
    return 'code' in claims ? claims.code : claims.userId;
  };

  it('say who, which log-in, and until when, and carry no rights', async () => {
    expect(await tokens.verify(good)).toEqual({ userId: 'usr_ada', sessionId: 's1', expiresAt: START_MS + ACCESS_TOKEN_MS });
    expect(head).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid });
    expect(Object.keys(payload).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub']);
    expect(await code(signed())).toBe('usr_ada');
  });

  it('are told as keys that anybody may see, without what they sign with', () => {
    expect(tokens.jwks()).toEqual({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: key.publicJwk.x, kid: key.kid, alg: 'EdDSA', use: 'sig' }] });
  });

  it('end with their time, and not before', async () => {
    const later = new VirtualTime(START_MS + ACCESS_TOKEN_MS - 1);
    const other = new AccessTokens(ISSUER, { clock: later, random: randomBytes });
    await other.useKeys([key]);
    expect(await other.verify(good)).toMatchObject({ userId: 'usr_ada' });
    later.advance(1);
    expect(await other.verify(good)).toMatchObject({ code: 'expired_token' });
  });

  describe('count for nobody', () => {
    const broken: [string, () => string | Promise<string>][] = [
      ['when they say that they are not signed', () => `${base64({ ...head, alg: 'none' })}.${good.split('.')[1]}.`],
      ['with no algorithm and a signature', () => `${base64({ ...head, alg: 'none' })}.${good.split('.')[1]}.${good.split('.')[2]}`],
      [
        'when the public key was used as a secret (HS256)',
        () => {
          const text = `${base64({ ...head, alg: 'HS256' })}.${good.split('.')[1]}`;
          return `${text}.${createHmac('sha256', Buffer.from(key.publicJwk.x, 'base64url')).update(text).digest('base64url')}`;
        },
      ],
      [
        'when the key that anybody may see, as text, was used as a secret',
        () => {
          const text = `${base64({ ...head, alg: 'HS256' })}.${good.split('.')[1]}`;
          return `${text}.${createHmac('sha256', JSON.stringify(tokens.jwks().keys[0])).update(text).digest('base64url')}`;
        },
      ],
      ['with the name of a key that is none', () => signed({ head: { kid: 'other' } })],
      ['with the name of a method of every object', () => signed({ head: { kid: 'constructor' } })],
      ['without the name of a key', () => signed({ head: { kid: undefined } })],
      [
        'signed with another key of the same name',
        () => {
          const { privateKey } = generateKeyPairSync('ed25519');
          return signed({}, privateKey.export({ format: 'jwk' }) as never);
        },
      ],
      [
        'that bring their own key',
        () => {
          const { privateKey, publicKey } = generateKeyPairSync('ed25519');
          return signed({ head: { jwk: publicKey.export({ format: 'jwk' }), kid: undefined } }, privateKey.export({ format: 'jwk' }) as never);
        },
      ],
      ['that want something understood that is not', () => signed({ head: { crit: ['exp2'], exp2: 1 } })],
      ['that are of another kind', () => signed({ head: { typ: 'JWT' } })],
      ['that are of no kind', () => signed({ head: { typ: undefined } })],
      ['of another engine', () => signed({ payload: { iss: 'urn:seg:two' } })],
      ['of nobody', () => signed({ payload: { iss: undefined } })],
      ['for somebody else', () => signed({ payload: { aud: 'other-api' } })],
      ['for nobody', () => signed({ payload: { aud: undefined } })],
      ['that are not good yet', () => signed({ payload: { nbf: START_MS / 1_000 + 60 } })],
      ['without an end', () => signed({ payload: { exp: undefined } })],
      ['whose end is no number', () => signed({ payload: { exp: '9999999999' } })],
      ['without a subject', () => signed({ payload: { sub: undefined } })],
      ['whose subject is no text', () => signed({ payload: { sub: 7 } })],
      ['without a log-in', () => signed({ payload: { sid: undefined } })],
      ['without a name of their own', () => signed({ payload: { jti: undefined } })],
      ['whose content was changed', () => [good.split('.')[0], base64({ ...payload, sub: 'usr_root' }), good.split('.')[2]].join('.')],
      ['whose head was changed', () => [base64({ ...head, alg: 'EdDSA', x: 1 }), good.split('.')[1], good.split('.')[2]].join('.')],
      ['that are longer than any', () => signed({ payload: { padding: 'x'.repeat(TOKEN_CHARS_MAX) } })],
      ['that are nothing', () => ''],
      ['that are dots', () => '..'],
      ['that are no text of a token', () => 'ä.b.c'],
      ['with blanks around', () => ` ${good}`],
      ['twice', () => `${good}.${good}`],
      ['that are a JWE', () => `${good}.AAAA.AAAA`],
      ['whose parts are no JSON', () => 'AAAA.AAAA.AAAA'],
      ['whose head is a list', () => `${Buffer.from('[1]').toString('base64url')}.${good.split('.')[1]}.${good.split('.')[2]}`],
      ['whose content is null', () => signedText(`${good.split('.')[0]}.${Buffer.from('null').toString('base64url')}`)],
    ];
    const signedText = (text: string): string => `${text}.${sign(null, Buffer.from(text), { key: key.privateJwk, format: 'jwk' } as never).toString('base64url')}`;

    it.each(broken)('%s', async (_what, make) => {
      expect(await code(await make())).toBe('invalid_token');
    });

    it('when they end too early, wherever that is', async () => {
      for (let length = 0; length < good.length; length += 7) expect(await code(good.slice(0, length))).toBe('invalid_token');
      expect(await code(good.slice(0, -1))).toBe('invalid_token');
    });

    it('when one of their characters is another', async () => {
      const [first, second, third] = good.split('.');
      // The last one of the signature has bits that mean nothing.
      const at = [3, first.length + 5, first.length + 1 + second.length + 5, good.length - 2];
      for (const place of at) {
        const other = good[place] === 'A' ? 'B' : 'A';
        expect(await code(good.slice(0, place) + other + good.slice(place + 1))).toBe('invalid_token');
      }
      expect(third.length).toBe(86);
    });

    it('when their time is over', async () => {
      expect(await code(signed({ payload: { exp: START_MS / 1_000 } }))).toBe('expired_token');
      expect(await code(signed({ payload: { exp: -1 } }))).toBe('expired_token');
    });
  });

  it('of a key that was followed count as long as it is kept, and it signs no more', async () => {
    const next = { ...(await newSigningKey(START_MS + 1)), followedAt: null };
    await tokens.useKeys([next, { ...key, followedAt: START_MS + 1 }]);
    expect(await code(good)).toBe('usr_ada');
    const { token } = await tokens.sign({ userId: 'usr_bob', sessionId: 's2' });
    expect(decoded(token.split('.')[0]).kid).toBe(next.kid);
    await tokens.useKeys([next]);
    expect(await code(good)).toBe('invalid_token');
    expect(await code(token)).toBe('usr_bob');
  });
});
