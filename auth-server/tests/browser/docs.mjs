// A person at a page of documentation (/docs): Authorize with a code, in a window of its own, and one call with the token.
//
// node docs.mjs --page URL --email EMAIL --password PASSWORD --call OPERATION [--id VALUE] --expect WORDS [--pictures FOLDER]
//   [--ours URL --foreign URL]
//
// The client stands in the page already; OPERATION is the path of a GET as the page shows it, VALUE its one parameter.
// With --ours and --foreign a page of the one origin then makes the same call and reads it, refusals too; of the other, nothing.
// Says `done` and ends with 0, or says what is wrong and ends with 1.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

import { launch } from './browser.mjs';

const text = { type: 'string' };
const { values: given } = parseArgs({
  options: { page: text, email: text, password: text, call: text, id: text, expect: text, pictures: text, ours: text, foreign: text },
});
const browser = await launch(given.pictures);
const { page } = browser;
const shoot = async (name) => {
  if (given.pictures) await page.screenshot({ path: `${given.pictures}/${name} ${await page.title()}.png` });
};

// What a page at this address gets of that one.
const from = async (place, url, headers) => {
  const elsewhere = await browser.context.newPage();
  await elsewhere.goto(place);
  return elsewhere.evaluate(async ({ url, headers }) => {
    try {
      const answer = await fetch(url, { headers });
      return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() };
    } catch (error) {
      return { failed: error.name };
    }
  }, { url, headers });
};

try {
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto(given.page);
  await page.locator('button.authorize').first().click();
  // The code flow is one of several ways; each has a form of its own.
  const form = page.locator('.auth-container', { hasText: 'authorizationCode' }).last();
  assert.ok((await form.innerText()).includes('authorizationCode with PKCE'));
  assert.notEqual(await form.locator('input#client_id_authorizationCode').inputValue(), '', 'a client is there');
  for (const box of await form.locator('input[type=checkbox]').all()) {
    if (!(await box.isChecked())) await form.locator(`label[for="${await box.getAttribute('id')}"]`).click();
  }
  await shoot('docs-authorize');
  const opened = page.waitForEvent('popup');
  await form.locator('button.authorize').click();
  const window = await opened;
  const closed = window.waitForEvent('close');
  await window.getByLabel('E-mail address').fill(given.email);
  await window.locator('input[type=password]').fill(given.password);
  await window.keyboard.press('Enter');
  await window.getByRole('button', { name: 'Allow' }).click();
  await closed;
  await form.locator('button', { hasText: 'Logout' }).waitFor();
  await shoot('docs-authorized');
  await page.locator('button.btn-done').first().click();

  const operation = page.locator('.opblock-get').filter({ has: page.locator(`[data-path="${given.call}"]`) });
  await operation.locator('.opblock-summary-control').click();
  if (given.id) await operation.locator('.parameters input').first().fill(given.id);
  const answered = page.waitForResponse((response) => response.request().headers().authorization?.startsWith('Bearer ') ?? false);
  await operation.getByRole('button', { name: 'Execute' }).click();
  const answer = await answered;
  assert.equal(answer.status(), 200, await answer.text());
  assert.ok((await answer.text()).includes(given.expect), await answer.text());
  await operation.locator('.live-responses-table').waitFor();
  await operation.locator('.live-responses-table').scrollIntoViewIfNeeded();
  await shoot('docs-called');
  assert.deepEqual(browser.complaints, []);

  if (given.ours) {
    const url = answer.url();
    const { authorization } = answer.request().headers();
    const headers = { authorization, 'if-none-match': '"another"' };
    const ours = await from(given.ours, url, headers);
    assert.deepEqual([ours.status, ours.text.includes(given.expect)], [200, true], JSON.stringify(ours));
    for (const name of ['etag', 'ratelimit', 'ratelimit-policy', 'x-request-id']) assert.ok(ours.headers[name], name);
    const refused = await from(given.ours, url, {});
    assert.equal(refused.status, 401);
    assert.ok(refused.headers['www-authenticate'].startsWith('Bearer'), JSON.stringify(refused));
    for (const asked of [headers, {}]) assert.equal((await from(given.foreign, url, asked)).failed, 'TypeError');
  }
  console.log('done');
} catch (error) {
  console.error(error);
  for (const open of browser.context.pages()) {
    console.error('at', open.url().split('?')[0], (await open.locator('body').innerText().catch(() => '')).slice(0, 2000));
  }
  console.error('said', browser.complaints);
  process.exitCode = 1;
} finally {
  await browser.close();
}
