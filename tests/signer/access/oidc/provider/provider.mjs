// An issuer by oidc-provider: client credentials become JSON Web Tokens.
//
//   node provider.mjs TLS_CERTIFICATE TLS_KEY PACKAGES < JWKS
//
// It prints its URL. A client "ci" asks for the resource urn:ledger, or for urn:typed, whose
// tokens bear the type that RFC 9068 gives access tokens. Further fields of the form become
// claims: "claims" holds them as JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import https from 'node:https'
import { pathToFileURL } from 'node:url'

const [certificate, key, packages] = process.argv.slice(2)
const found = createRequire(`${packages}/`).resolve('oidc-provider')
const { default: Provider } = await import(pathToFileURL(found))

const server = https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) })
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `https://127.0.0.1:${server.address().port}`
const jwks = JSON.parse(readFileSync(0))

const provider = new Provider(url, {
  jwks,
  clients: [
    {
      client_id: 'ci',
      client_secret: 'nobody-else-knows-it',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: []
    }
  ],
  extraTokenClaims: (ctx) => JSON.parse(ctx.oidc.body.claims ?? '{}'),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: '',
        audience: 'ledger.example',
        accessTokenFormat: 'jwt',
        accessTokenTTL: Number(ctx.oidc.body.ttl ?? 600),
        jwt: { sign: { alg: ctx.oidc.body.alg ?? 'RS256' } }
      })
    }
  },
  formats: {
    customizers: {
      jwt: (ctx, token, jwt) => {
        if (token.aud === 'ledger.example' && ctx.oidc.body.resource === 'urn:ledger') {
          jwt.header = { typ: 'JWT' }
        }
        return jwt
      }
    }
  }
})
server.on('request', provider.callback())
console.log(url)
