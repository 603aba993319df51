// Accept or refuse many Sigstore bundles in one process, by @sigstore/verify and nothing else.
//
//   node judge_many.mjs HOME < LINES
//
// HOME is the directory that holds node_modules. Each line is a JSON object. One with "whom"
// says what the verifier is told about the bundles that follow:
//
//   {"whom": {"root": trusted_root.json, "timestamps": how many there must be, and one of
//             "keys": {HINT: PEM}, "key": PEM, or "identity": URI with "issuer": URI,
//             and for a message that was signed "artifact": BASE64}}
//
// and one with "bundle" is the Base64 of a bundle's bytes, of which one line is said at once:
// {"accepted": true or false, "reason": "…"}. Whatever is thrown is a refusal. With "keys" a
// key counts under its hint alone, as for our verifier, with "key" under any. Where there must
// be no timestamps, the library still checks those that are there.

import { createPublicKey } from 'node:crypto';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [home] = process.argv.slice(2);
const require = createRequire(`${home}/`);
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

function judge({ root, timestamps, keys, key, identity, issuer, artifact }) {
  const pems = new Map(Object.entries(keys ?? {}));
  const found = new Map([...pems].map(([hint, pem]) => [hint, createPublicKey(pem)]));
  const only = key && createPublicKey(key);
  const finder = (hint) => {
    const publicKey = only ?? found.get(hint);
    if (!publicKey) throw new Error(`no key has the hint ${hint}`);
    return { publicKey, validFor: () => true };
  };
  const material = toTrustMaterial(TrustedRoot.fromJSON(root), finder);
  const verifier = new Verifier(material, { timestampThreshold: timestamps });
  const policy = identity && { subjectAlternativeName: identity, extensions: { issuer } };
  const signed = artifact && Buffer.from(artifact, 'base64');
  return (bundle) => verifier.verify(toSignedEntity(bundleFromJSON(bundle), signed), policy);
}

let verify;
for await (const line of createInterface({ input: process.stdin })) {
  const { whom, bundle } = JSON.parse(line);
  if (whom) {
    verify = judge(whom);
    continue;
  }
  try {
    verify(JSON.parse(Buffer.from(bundle, 'base64').toString('utf8')));
    console.log(JSON.stringify({ accepted: true, reason: '' }));
  } catch (error) {
    const reason = `${error?.code ?? error?.name}: ${error?.message}`;
    console.log(JSON.stringify({ accepted: false, reason }));
  }
}
