// Accept or refuse Sigstore bundles, by @sigstore/verify and nothing else.
//
//   node verify.mjs HOME '{"key": "PUBLIC_KEY.pem"}' TRUSTED_ROOT.json BUNDLE.json…
//   node verify.mjs HOME '{"identity": URI, "issuer": URI}' TRUSTED_ROOT.json BUNDLE.json…
//
// HOME is the directory that holds node_modules. Thresholds are the library's own:
// an entry in a log, a trusted time, and of a certificate a promise to log it. Of
// each bundle one line is said, {"accepted": true or false, "reason": "…"}; a trust
// root that cannot be read refuses all. A broken installation ends with an exit code.
// What a statement says (subject, predicate type) is not looked at: that is no part
// of this library.

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [home, expected, rootPath, ...bundlePaths] = process.argv.slice(2);
const require = createRequire(`${home}/`);
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const { key, identity, issuer } = JSON.parse(expected);
const policy = identity && { subjectAlternativeName: identity, extensions: { issuer } };
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

function verify(bundlePath) {
  const publicKey = key && createPublicKey(readFileSync(key, 'utf8'));
  const finder = key && (() => ({ publicKey, validFor: () => true }));
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(read(rootPath)), finder));
  verifier.verify(toSignedEntity(bundleFromJSON(read(bundlePath))), policy);
}

for (const bundlePath of bundlePaths) {
  try {
    verify(bundlePath);
    console.log(JSON.stringify({ accepted: true, reason: '' }));
  } catch (error) {
    const reason = `${error.code ?? error.name}: ${error.message}`;
    console.log(JSON.stringify({ accepted: false, reason }));
  }
}
