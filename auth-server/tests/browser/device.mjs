// A device that has no browser, and a person who has one (Debian's Chromium): the device is a relying party that knows
// nothing of us (openid-client), and after it, with --terminal, the terminal of `auth-server device-login`.
//
// node device.mjs --issuer URL --client ID --email EMAIL --password PASSWORD [--terminal BINARY] [--movies URL]
//   [--pictures FOLDER]
//
// Says `done` and ends with 0, or says what is wrong and ends with 1.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

import * as relying from 'openid-client';

import { launch } from './browser.mjs';

const text = { type: 'string' };
const { values: given } = parseArgs({
  options: { issuer: text, client: text, email: text, password: text, terminal: text, movies: text, pictures: text },
});
const { issuer, client: clientId, email, password } = given;
const SCOPE = 'openid profile movies:read';

const config = await relying.discovery(new URL(issuer), clientId, undefined, relying.None(), {
  execute: [relying.allowInsecureRequests],
});
const metadata = config.serverMetadata();
assert.equal(metadata.device_authorization_endpoint, `${issuer}/device_authorization`);
assert.ok(metadata.grant_types_supported.includes('urn:ietf:params:oauth:grant-type:device_code'));

const browser = await launch(given.pictures);
const { page, complaints, picture } = browser;

/** Whether an access token opens movies-api, where there is one. */
const tryMovies = async (token) => {
  if (!given.movies) return;
  const answer = await fetch(`${given.movies}/movies/?movie_id=1`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, await answer.clone().text());
};

/** `auth-server device-login`, and what it asks the person for. */
const terminal = async () => {
  const args = ['device-login', '--issuer', issuer, '--client-id', clientId, '--scope', 'movies:read', '--output', 'json'];
  const program = spawn(given.terminal, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  program.stdout.setEncoding('utf8').on('data', (chunk) => { said.out += chunk; });
  program.stderr.setEncoding('utf8').on('data', (chunk) => { said.err += chunk; });
  const exit = once(program, 'exit');
  while (!said.err.includes('Waiting for your approval')) {
    assert.equal(program.exitCode, null, said.err);
    await Promise.race([once(program.stderr, 'data'), exit]);
  }
  const link = /^or open (\S+)$/m.exec(said.err)[1];
  assert.match(said.err, /[▀▄█]{10}/, 'there is a QR code');
  return { link, said, exit };
};

try {
  // A link that already has the code in it: signing in, then a page that asks, then a click.
  const first = await relying.initiateDeviceAuthorization(config, { scope: SCOPE });
  const waiting = relying.pollDeviceAuthorizationGrant(config, first);
  await page.goto(first.verification_uri_complete);
  await page.waitForURL('**/login?*');
  assert.ok((await page.locator('main').innerText()).includes('to connect a device'));
  await picture('device-login');
  await page.keyboard.type(email);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/device?user_code=*');
  await picture('device-approve');
  const shown = await page.locator('main').innerText();
  for (const words of [first.user_code, 'Know that it is you', 'See your name', email]) {
    assert.ok(shown.includes(words), `${words} is missing in ${shown}`);
  }
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByRole('heading', { name: 'Your device is connected' }).waitFor();
  await picture('device-connected');
  const tokens = await waiting;
  const claims = tokens.claims();
  assert.equal(claims.aud, clientId);
  const who = await relying.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(who.sub, claims.sub);
  await tryMovies(tokens.access_token);
  const refreshed = await relying.refreshTokenGrant(config, tokens.refresh_token);
  await tryMovies(refreshed.access_token);

  // The code by hand, by keyboard alone: once wrong, then in lower case without its dash; and refused.
  const second = await relying.initiateDeviceAuthorization(config, { scope: SCOPE });
  const refused = assert.rejects(relying.pollDeviceAuthorizationGrant(config, second), (error) => error.error === 'access_denied');
  await page.goto(second.verification_uri);
  await picture('device-code');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'user_code');
  await page.keyboard.type('bbbb');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await picture('device-code-wrong');
  await page.locator('#user_code').fill(second.user_code.toLowerCase().replace('-', ''));
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('heading', { name: 'The device was not connected' }).waitFor();
  await refused;
  await page.goto(second.verification_uri_complete);
  await page.getByRole('heading', { name: 'This code is used up' }).waitFor();
  await picture('device-late');

  // In German.
  const third = await relying.initiateDeviceAuthorization(config, { scope: SCOPE });
  const german = (route) => route.continue({ headers: { ...route.request().headers(), 'accept-language': 'de' } });
  await page.route('**/device*', german);
  await page.goto(third.verification_uri_complete);
  assert.equal(await page.title(), 'Gerät verbinden');
  await picture('device-approve-german');
  await page.unroute('**/device*', german);

  // The terminal.
  if (given.terminal) {
    const { link, said, exit } = await terminal();
    await page.goto(link);
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByRole('heading', { name: 'Your device is connected' }).waitFor();
    const [code] = await exit;
    assert.equal(code, 0, said.err);
    const got = JSON.parse(said.out);
    assert.equal(got.scope, 'movies:read');
    assert.ok(got.refresh_token.startsWith('mrt1_'));
    await tryMovies(got.access_token);
    // Its refusal is one line and exit code 1.
    const no = await terminal();
    await page.goto(no.link);
    await page.getByRole('button', { name: 'Cancel' }).click();
    const [refusal] = await no.exit;
    assert.equal(refusal, 1);
    assert.equal(no.said.out, '');
    assert.ok(no.said.err.endsWith('error: the request was denied\n'), no.said.err);
  }
  // The wrong code and the used one have their status; nothing else may have gone wrong, least of all the content policy.
  const surprises = complaints.filter((text) => !/status of (422|409)/.test(text));
  assert.deepEqual(surprises, []);
  console.log('done');
} catch (error) {
  console.error(error);
  console.error('at', page.url().split('?')[0], await page.locator('body').innerText().catch(() => ''));
  process.exitCode = 1;
} finally {
  await browser.close();
}
