// A person with a browser (Debian's Chromium) and a relying party that knows nothing of us (openid-client) walk through
// signing in: discovery, code with PKCE, userinfo, refresh, signing out. The relying party is a native application: it
// listens on a loopback port of its own (RFC 8252).
//
// node walk.mjs ISSUER CLIENT_ID EMAIL PASSWORD [FOLDER FOR PICTURES]
//
// Says `done` and ends with 0, or says what is wrong and ends with 1.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as relying from 'openid-client';
import { chromium } from 'playwright-core';

const [issuer, clientId, email, password, pictures] = process.argv.slice(2);
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
assert.ok(executablePath, 'there is no chromium');

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
const redirectUri = `http://127.0.0.1:${port}/cb`;

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

const profile = mkdtempSync(join(tmpdir(), 'walk-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  locale: 'en-GB',
});
// A page that does not come is a failure, not a wait.
browser.setDefaultTimeout(15_000);
const page = await browser.newPage();
const complaints = [];
page.on('console', (message) => {
  if (message.type() === 'error' && !message.text().includes('favicon')) complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));

const picture = async (name) => {
  if (!pictures) return;
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [['phone', { width: 390, height: 780 }], ['desktop', { width: 1280, height: 800 }]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      await page.screenshot({ path: join(pictures, `${name}-${size}-${colorScheme}.png`) });
    }
  }
};

const begin = async (extra = {}) => {
  const verifier = relying.randomPKCECodeVerifier();
  const expected = { state: relying.randomState(), nonce: relying.randomNonce() };
  const url = relying.buildAuthorizationUrl(config, {
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
  const text = await page.locator('main').innerText();
  for (const words of ['Know that it is you', 'See your name', 'See your e-mail address', email, `127.0.0.1:${port}`]) {
    assert.ok(text.includes(words), `${words} is missing in ${text}`);
  }
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.ok(!overflow, 'the page is wider than the window');
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
  rmSync(profile, { recursive: true, force: true });
}
