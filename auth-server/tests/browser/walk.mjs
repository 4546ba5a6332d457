// A person with a browser (Debian's Chromium) and a relying party that knows nothing of us (openid-client) walk through
// signing in: discovery, code with PKCE, userinfo, refresh, signing out. The relying party is a native application: it
// listens on a loopback port of its own (RFC 8252).
//
// node walk.mjs --issuer URL --client ID --email EMAIL --password PASSWORD [--callback PATH] [--movies URL]
//   [--pictures FOLDER]
//
// PATH is that of the client's loopback redirect URI. With the address of a movies-api its tokens are tried there.
// Says `done` and ends with 0, or says what is wrong and ends with 1.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import * as relying from 'openid-client';

import { launch } from './browser.mjs';

const text = { type: 'string' };
const { values: given } = parseArgs({
  options: {
    issuer: text, client: text, email: text, password: text, callback: { ...text, default: '/cb' }, movies: text, pictures: text,
  },
});
const { issuer, client: clientId, email, password } = given;

// What the application's own port is asked for, and who waits for it.
const arrivals = [];
let wake = () => {};
const application = createServer((request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end('<!doctype html><title>Back</title><h1>Back in the application</h1>');
  if (request.url !== '/favicon.ico') {
    arrivals.push(new URL(request.url, `http://127.0.0.1:${application.address().port}`));
    wake();
  }
});
application.listen(0, '127.0.0.1');
await once(application, 'listening');
const port = application.address().port;
const redirectUri = `http://127.0.0.1:${port}${given.callback}`;

const arrival = async () => {
  while (arrivals.length === 0) await new Promise((resolve) => { wake = resolve; });
  return arrivals.shift();
};

const config = await relying.discovery(new URL(issuer), clientId, undefined, relying.None(), {
  execute: [relying.allowInsecureRequests],
});
const metadata = config.serverMetadata();
assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
assert.equal(metadata.authorization_response_iss_parameter_supported, true);

const browser = await launch(given.pictures);
const { page, complaints, picture } = browser;

const begin = async (extra = {}, build = relying.buildAuthorizationUrl) => {
  const verifier = relying.randomPKCECodeVerifier();
  const expected = { state: relying.randomState(), nonce: relying.randomNonce() };
  const url = await build(config, {
    redirect_uri: redirectUri,
    scope: 'openid profile email movies:read',
    code_challenge: await relying.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...expected,
    ...extra,
  });
  await page.goto(url.href);
  return { verifier, ...expected };
};

const redeem = async (flow) => relying.authorizationCodeGrant(config, await arrival(), {
  pkceCodeVerifier: flow.verifier,
  expectedState: flow.state,
  expectedNonce: flow.nonce,
  idTokenExpected: true,
});

try {
  // Signing in, with a slip; by keyboard alone.
  const flow = await begin();
  await page.waitForURL('**/login?*');
  assert.equal(await page.title(), 'Sign in');
  await picture('login');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'username');
  await page.keyboard.type(email);
  await page.keyboard.press('Tab');
  await page.keyboard.type('not the password');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
  await picture('login-wrong');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');

  await page.waitForURL('**/consent?*');
  await picture('consent');
  const shown = await page.locator('main').innerText();
  for (const words of ['Know that it is you', 'See your name', 'See your e-mail address', email, `127.0.0.1:${port}`]) {
    assert.ok(shown.includes(words), `${words} is missing in ${shown}`);
  }
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.waitForURL(`${redirectUri}?*`);
  const tokens = await redeem(flow);
  const claims = tokens.claims();
  assert.equal(claims.aud, clientId);

  const who = await relying.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(who.email, email);
  const refreshed = await relying.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  await relying.fetchUserInfo(config, refreshed.access_token, claims.sub);
  for (const token of given.movies ? [tokens.access_token, refreshed.access_token] : []) {
    const answer = await fetch(`${given.movies}/movies/?movie_id=1`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal((await answer.json()).movie_id, 1);
  }

  // Once more: signed in already, so only the consent is asked, which every public client needs; and refused.
  const refused = await begin();
  await page.waitForURL('**/consent?*');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForURL(`${redirectUri}?*`);
  await assert.rejects(redeem(refused), (error) => error.error === 'access_denied');

  // A request with a mistake, in German, by a stranger: a page and no redirect.
  await page.goto(`${metadata.authorization_endpoint}?client_id=nobody&ui_locales=de`);
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  await picture('error');

  // The login page without a client says who is signed in.
  await page.goto(`${issuer}/login`);
  assert.ok((await page.locator('main').innerText()).includes(email));
  await picture('signed-in');

  // Everything once more in German, with the name filled in by the client, and pushed (RFC 9126): the browser carries a
  // name alone.
  const wish = { ui_locales: 'de', prompt: 'login consent', login_hint: email };
  const german = await begin(wish, relying.buildAuthorizationUrlWithPAR);
  await page.waitForURL('**/login?*');
  assert.equal(await page.title(), 'Anmelden');
  assert.equal(await page.locator('#username').inputValue(), email);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
  await picture('login-german');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/consent?*');
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  await picture('consent-german');
  await page.getByRole('button', { name: 'Erlauben' }).click();
  await page.waitForURL(`${redirectUri}?*`);
  assert.equal((await redeem(german)).claims().sub, claims.sub);

  // Signing out without an id_token asks; with one it does not.
  await page.goto(`${metadata.end_session_endpoint}`);
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  await picture('logout');
  const bye = relying.buildEndSessionUrl(config, { id_token_hint: tokens.id_token });
  await page.goto(bye.href);
  assert.ok((await page.locator('main').innerText()).includes('You are signed out'));
  await picture('signed-out');
  const silent = await begin({ prompt: 'none' });
  await page.waitForURL(`${redirectUri}?*`);
  await assert.rejects(redeem(silent), (error) => error.error === 'login_required');
  await assert.rejects(relying.refreshTokenGrant(config, refreshed.refresh_token), (error) => error.error === 'invalid_grant');
  // The slip and the mistake have their status; nothing else may have gone wrong, least of all the content policy.
  const surprises = complaints.filter((text) => !/status of (422|400)/.test(text));
  assert.deepEqual(surprises, []);
  console.log('done');
} catch (error) {
  console.error(error);
  console.error('at', page.url().split('?')[0], await page.locator('body').innerText().catch(() => ''));
  process.exitCode = 1;
} finally {
  await browser.close();
  application.close();
}
