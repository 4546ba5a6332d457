// A client that was not written here (openid-client) and that knows the address of an API alone: it finds the authorization
// server by itself (RFC 9728, RFC 8414), gets tokens that are bound to its key (DPoP, RFC 9449), and uses them. No browser.
//
// node dpop.mjs --api URL --client ID --secret SECRET --public ID --email EMAIL --password PASSWORD [--nonces]
//
// With `--nonces` the server has to ask for them. Says `done` and ends with 0, or says what is wrong and ends with 1.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

import * as oauth from 'openid-client';

const text = { type: 'string' };
const { values: given } = parseArgs({
  options: {
    api: text, client: text, secret: text, public: text, email: text, password: text, nonces: { type: 'boolean' },
  },
});
const film = new URL('/movies/1', given.api);

// The API's refusal says where it is written whose tokens it takes.
const refused = await fetch(film);
assert.equal(refused.status, 401);
const challenge = refused.headers.get('www-authenticate');
assert.match(challenge, /^Bearer realm="movies", .*DPoP realm="movies", algs="ES256 EdDSA RS256"/);
const [, address] = challenge.match(/resource_metadata="([^"]+)"/);
const described = await (await fetch(address)).json();
assert.equal(described.resource, given.api);
assert.equal(described.dpop_bound_access_tokens_required, false);
assert.deepEqual(described.scopes_supported, ['movies:read', 'movies:write']);
const issuer = new URL(described.authorization_servers[0]);

// What the token endpoint answered, in order.
let answers = [];
const discover = async (id, secret, authentication) => {
  const config = await oauth.discovery(issuer, id, secret, authentication, { execute: [oauth.allowInsecureRequests] });
  config[oauth.customFetch] = async (url, options) => {
    const response = await fetch(url, options);
    if (new URL(url).pathname === '/token') answers.push(response.status);
    return response;
  };
  return config;
};

const walk = async (config, alg, grant) => {
  const supported = config.serverMetadata().dpop_signing_alg_values_supported;
  assert.ok(supported.includes(alg) && described.dpop_signing_alg_values_supported.includes(alg));
  const key = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair(alg));
  answers = [];
  const tokens = await grant(key);
  assert.equal(tokens.token_type, 'dpop');
  // The library comes again by itself with the nonce that it is told.
  assert.deepEqual(answers, given.nonces ? [400, 200] : [200]);
  for (let round = 0; round < 2; round += 1) {
    const answer = await oauth.fetchProtectedResource(config, tokens.access_token, film, 'GET', undefined, undefined, {
      DPoP: key,
    });
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).title, 'The Land Girls');
  }
  const bare = await fetch(film, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.equal(bare.status, 401);
  assert.match(bare.headers.get('www-authenticate'), /error="invalid_token"/);
  const thief = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair(alg));
  const stolen = oauth.fetchProtectedResource(config, tokens.access_token, film, 'GET', undefined, undefined, { DPoP: thief });
  await assert.rejects(stolen, (error) => error.status === 401);
  return { tokens, key, thief };
};

const service = await discover(given.client, given.secret);
for (const alg of ['ES256', 'RS256']) {
  await walk(service, alg, (key) => oauth.clientCredentialsGrant(service, { scope: 'movies:read' }, { DPoP: key }));
}

// A public client's refresh token is bound to the key as well.
const phone = await discover(given.public, undefined, oauth.None());
const login = { username: given.email, password: given.password, scope: 'movies:read' };
const { tokens, key, thief } = await walk(phone, 'ES256', (key) =>
  oauth.genericGrantRequest(phone, 'password', login, { DPoP: key }));
const refresh = (handle) => oauth.refreshTokenGrant(phone, tokens.refresh_token, undefined, handle && { DPoP: handle });
await assert.rejects(refresh(thief), (error) => error.error === 'invalid_grant');
await assert.rejects(refresh(undefined), (error) => error.error === 'invalid_grant');
const next = await refresh(key);
assert.equal(next.token_type, 'dpop');
assert.notEqual(next.refresh_token, tokens.refresh_token);

console.log('done');
