import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Preloaded by engines of tests of other things than passwords (engine-process.ts), in each of their threads: scrypt with 1 MiB in place of 128, as a hash of a password takes a third of a second of a core, and a suite has people log
 * in hundreds of times. The engine's code and what it writes down stay the same; nothing else verifies what such an engine has hashed.
 */

const { scrypt } = crypto;
const N_MAX = 2 ** 10;

crypto.scrypt = (password, salt, bytes, options, done) => scrypt(password, salt, bytes, { ...options, N: Math.min(options.N, N_MAX) }, done);
syncBuiltinESMExports();
