/** A key of RFC 8037 as JSON. Only the private one has `d`. */
export interface JWK {
  kty: 'OKP';
  crv: 'Ed25519';
  /** base64url */
  x: string;
  d?: string;
}
