// A client written with oauth4webapi, which knows nothing of this server but its issuer: discovery, password and refresh,
// client credentials, revocation, introspection. Prints what it found as one JSON document.
import { webcrypto } from 'node:crypto'
import * as oauth from 'oauth4webapi'

// Node.js 18 has it under another name.
globalThis.crypto ??= webcrypto

const { ISSUER, AUDIENCE, CLIENT_ID, CLIENT_SECRET, PUBLIC_ID, EMAIL, PASSWORD } = process.env
setTimeout(() => process.exit(3), 25_000).unref()

const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(ISSUER)
const discovered = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' })
const as = await oauth.processDiscoveryResponse(issuer, discovered)

const confidential = { client_id: CLIENT_ID }
const open = { client_id: PUBLIC_ID }
const ways = { basic: oauth.ClientSecretBasic(CLIENT_SECRET), post: oauth.ClientSecretPost(CLIENT_SECRET) }

const found = {}
for (const [way, auth] of Object.entries(ways)) {
  const response = await oauth.clientCredentialsGrantRequest(as, confidential, auth, { scope: 'movies:read' }, insecure)
  const own = await oauth.processClientCredentialsResponse(as, confidential, response)
  // The library's own verification, by the published keys (RFC 9068).
  const request = new Request(AUDIENCE, { headers: { authorization: `Bearer ${own.access_token}` } })
  const claims = await oauth.validateJwtAccessToken(as, request, AUDIENCE, insecure)
  found[way] = { sub: claims.sub, scope: claims.scope, refresh_token: own.refresh_token ?? null }
}

const introspect = async (token) => {
  const response = await oauth.introspectionRequest(as, confidential, ways.basic, token, insecure)
  const { active, client_id, scope } = await oauth.processIntrospectionResponse(as, confidential, response)
  return { active, client_id, scope }
}
const revoke = async (client, auth, token) =>
  oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, insecure))
const login = async (client, auth) => {
  const form = { username: EMAIL, password: PASSWORD, scope: 'movies:read' }
  const response = await oauth.genericTokenEndpointRequest(as, client, auth, 'password', form, insecure)
  return oauth.processGenericTokenEndpointResponse(as, client, response)
}
const refresh = async (client, auth, token) => {
  const response = await oauth.refreshTokenGrantRequest(as, client, auth, token, insecure)
  return oauth.processRefreshTokenResponse(as, client, response)
}

// A user's tokens: renewed, looked at, ended.
const first = await login(confidential, ways.basic)
const second = await refresh(confidential, ways.basic, first.refresh_token)
found.refreshed = second.refresh_token !== first.refresh_token && second.access_token !== first.access_token
found.before = [await introspect(second.access_token), await introspect(second.refresh_token)]
await revoke(confidential, ways.basic, second.refresh_token)
found.after = [await introspect(second.access_token), await introspect(second.refresh_token)]
found.refused = await refresh(confidential, ways.basic, second.refresh_token).then(
  () => null,
  (error) => ({ error: error.error, status: error.status }),
)

// The same by a public client, and one access token by itself.
const third = await login(open, oauth.None())
const fourth = await refresh(open, oauth.None(), third.refresh_token)
await revoke(open, oauth.None(), fourth.access_token)
found.renewed = Boolean((await refresh(open, oauth.None(), fourth.refresh_token)).access_token)

console.log(JSON.stringify(found))
