// Accept or refuse one Sigstore bundle, by @sigstore/verify and nothing else.
//
//   node verify.mjs HOME BUNDLE.json TRUSTED_ROOT.json '{"key": "PUBLIC_KEY.pem"}'
//   node verify.mjs HOME BUNDLE.json TRUSTED_ROOT.json '{"identity": URI, "issuer": URI}'
//
// HOME is the directory that holds node_modules. Thresholds are the library's own:
// an entry in a log, a trusted time, and of a certificate a promise to log it.
// Exit 0 means accepted. Any other end, a broken installation too, is a refusal,
// with its reason on stderr. What the statement says (subject, predicate type) is
// not looked at: that is no part of this library.

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

try {
  const [home, bundlePath, rootPath, expected] = process.argv.slice(2);
  const require = createRequire(`${home}/`);
  const { bundleFromJSON } = require('@sigstore/bundle');
  const { TrustedRoot } = require('@sigstore/protobuf-specs');
  const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

  const { key, identity, issuer } = JSON.parse(expected);
  const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
  const publicKey = key && createPublicKey(readFileSync(key, 'utf8'));
  const finder = key && (() => ({ publicKey, validFor: () => true }));
  const policy = identity && { subjectAlternativeName: identity, extensions: { issuer } };
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(read(rootPath)), finder));
  verifier.verify(toSignedEntity(bundleFromJSON(read(bundlePath))), policy);
  console.log('accepted');
} catch (error) {
  console.error(`${error.code ?? error.name}: ${error.message}`);
  process.exitCode = 1;
}
