// A relying party written with openid-client that signs who it is (private_key_jwt) and pushes its requests (RFC 9126), and
// knows nothing of this server but its issuer. The person's browser is a few requests with a jar for cookies. Prints what it
// found as one JSON document.
import { createPrivateKey, webcrypto } from 'node:crypto'
import * as relying from 'openid-client'

// Node.js 18 has it under another name.
globalThis.crypto ??= webcrypto

const { ISSUER, CLIENT_ID, EMAIL, PASSWORD, REDIRECT_URI, OTHER_AUDIENCE, KEYS } = process.env
setTimeout(() => process.exit(3), 50_000).unref()

const KINDS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
}
const ways = {}
for (const { alg, kid, pem } of JSON.parse(KEYS)) {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
  const key = await crypto.subtle.importKey('pkcs8', der, KINDS[alg], false, ['sign'])
  const auth = relying.PrivateKeyJwt({ key, kid })
  const insecure = { execute: [relying.allowInsecureRequests] }
  ways[alg] = await relying.discovery(new URL(ISSUER), CLIENT_ID, undefined, auth, insecure)
}

// Tokens of its own, looked at and ended, with each kind of key.
const found = {}
for (const [alg, config] of Object.entries(ways)) {
  const own = await relying.clientCredentialsGrant(config, { scope: 'movies:read' })
  const before = await relying.tokenIntrospection(config, own.access_token)
  await relying.tokenRevocation(config, own.access_token)
  const after = await relying.tokenIntrospection(config, own.access_token)
  found[alg] = { scope: own.scope, before: before.active, after: after.active }
}

// A browser: cookies, redirects by hand, and the pages' own forms.
const jar = new Map()
const ask = async (url, form) => {
  const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
  const body = form && new URLSearchParams(form)
  const answer = await fetch(url, { method: form ? 'POST' : 'GET', headers: { cookie }, body, redirect: 'manual' })
  for (const line of answer.headers.getSetCookie()) {
    const [name, value] = line.split(';')[0].split(/=(.*)/s)
    jar.set(name, value)
  }
  const location = answer.headers.get('location')
  return { status: answer.status, text: await answer.text(), next: location && new URL(location, url) }
}
const submit = async (page, fields) => {
  const { text } = await ask(page)
  const hidden = [...text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map((m) => [m[1], m[2]])
  return ask(new URL(page.pathname, page), [...hidden, ...Object.entries(fields)])
}
const walk = async (url) => {
  let { next } = await ask(url)
  while (next && !next.href.startsWith(REDIRECT_URI)) {
    const fields = next.pathname === '/login' ? { username: EMAIL, password: PASSWORD } : { decision: 'allow' }
    ;({ next } = await submit(next, fields))
  }
  return next
}

const config = ways.ES256
const verifier = relying.randomPKCECodeVerifier()
const [state, nonce] = [relying.randomState(), relying.randomNonce()]
const url = await relying.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: REDIRECT_URI,
  scope: 'openid profile movies:read reviews:read',
  code_challenge: await relying.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
found.carried = [...url.searchParams.keys()].sort()
const arrived = await walk(url)
const expected = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await relying.authorizationCodeGrant(config, arrived, expected)
found.signed_in = { scope: tokens.scope, aud: tokens.claims().aud }
const who = await relying.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
found.name = who.name
const audience = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).aud
const other = await relying.refreshTokenGrant(config, tokens.refresh_token, { resource: OTHER_AUDIENCE })
found.other = { scope: other.scope, aud: audience(other.access_token) === OTHER_AUDIENCE }

// The name was good once; what is wrong is told when it is pushed.
found.again = (await ask(url)).status
const challenge = await relying.calculatePKCECodeChallenge(verifier)
const wrong = { redirect_uri: REDIRECT_URI, scope: 'no:such', code_challenge: challenge, code_challenge_method: 'S256' }
found.refused = await relying.buildAuthorizationUrlWithPAR(config, wrong).then(
  () => null,
  (error) => ({ error: error.error, status: error.status }),
)

console.log(JSON.stringify(found))
