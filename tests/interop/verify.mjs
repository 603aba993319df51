// Accept or refuse one Sigstore bundle, by @sigstore/verify and nothing else.
//
//   node verify.mjs HOME BUNDLE.json TRUSTED_ROOT.json PUBLIC_KEY.pem
//
// HOME is the directory that holds node_modules. Exit 0 means accepted. Any other
// end, a broken installation too, is a refusal, with its reason on stderr.
// What the statement says (subject, predicate type) is not looked at: that is
// no part of this library.

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

try {
  const [home, ...inputs] = process.argv.slice(2);
  const require = createRequire(`${home}/`);
  const { bundleFromJSON } = require('@sigstore/bundle');
  const { TrustedRoot } = require('@sigstore/protobuf-specs');
  const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

  const [bundle, root, key] = inputs.map((path) => readFileSync(path, 'utf8'));
  const publicKey = createPublicKey(key);
  const trust = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(root)), () => ({
    publicKey,
    validFor: () => true,
  }));
  // A managed key has no certificate, hence no SCT, and needs no trusted time.
  const thresholds = { ctlogThreshold: 0, tlogThreshold: 1, timestampThreshold: 0 };
  new Verifier(trust, thresholds).verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))));
  console.log('accepted');
} catch (error) {
  console.error(`${error.code ?? error.name}: ${error.message}`);
  process.exitCode = 1;
}
