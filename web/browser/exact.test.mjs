// SPDX-License-Identifier: MIT
// What is stored is shown as it is and harms nobody: exact numbers, odd texts, bytes, big values, and hostile names.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

const EVIL = ['<img src=x onerror=alert(1)>', '"><script>alert(2)</script>', '&#39;-alert(3)-&#39;', "';alert(4)//", '{{constructor.constructor("alert(5)")()}}', '\u202Ertl\u202C \u{1F600}', 'javascript:alert(6)'];
const ODD = '{"big":9007199254740993,"minus":-0,"huge":1e400,"price":1.10,"zeros":"00123","nul":null,"empty":"","emoji":"\u{1F468}\u200D\u{1F469}\u200D\u{1F467}","rtl":"\u05E9\u05DC\u05D5\u05DD","deep":{"z":1,"a":[1,2.50,{"b":-0.0}]},"edit":"before"}';
let server;
let call;
before(async () => {
  const db = h.join(h.folder(), 'odd');
  h.load(db, 'numbers', [`{"id":1,${ODD.slice(1)}`, '{"id":2,"edit":"only","missing":true}']);
  h.load(db, 'evil', EVIL.map((x, i) => ({ id: i, name: x, [x]: x, nested: { [x]: [x] } })));
  const names = h.join(h.folder(), EVIL[0].replaceAll('/', ''));
  h.load(names, EVIL[2].slice(0, 20), EVIL.map((x, i) => ({ id: x, n: i })));
  server = await h.serve([db, names]);
  await (await h.enter(server)).context().close();
  call = h.api(server);
});
after(async () => {
  await h.close();
  await server.stop();
});

test('check 13: numbers, texts and order survive an edit beside them byte for byte', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'odd', 'numbers');
  const want = { big: '9007199254740993', minus: '-0', huge: '1e400', price: '1.10', zeros: '00123', nul: 'null', empty: '""', missing: '·' };
  for (const [field, text] of Object.entries(want)) {
    await h.focus(page, 1, field);
    assert.equal(await h.cell(page, 1, field), text, field);
  }
  await h.focus(page, 1, 'edit');
  await page.keyboard.type('after');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar');
  await page.reload();
  await page.waitForSelector('.changebar');
  await h.commit(page);
  const bytes = await (await fetch(`${server.address}/api/v1${call.db('odd')}/stores/numbers/items/${h.token({ $t: 'tuple', v: [1] })}/bytes`, { headers: { Cookie: `${server.cookie.name}=${server.cookie.value}` } })).text();
  assert.equal(bytes, `{"id":1,${ODD.slice(1)}`.replace('"before"', '"after"'));
  await page.context().close();
});

test('check 13: bytes and text are told apart, edited and written back; a big value is read whole', async () => {
  const page = await h.enter(server);
  const huge = `{"text":"${'x'.repeat(3_000_000)}","n":9007199254740993}`;
  assert.equal((await call.call('POST', `${call.db('odd')}/stores`, { name: 'raw' })).status, 201);
  await call.commit('odd', [
    { op: 'put', store: 'raw', k: 'a', v: { $t: 'text', v: 'plain, <b>bold</b>' } },
    { op: 'put', store: 'raw', k: 'b', v: { $t: 'bytes', v: Buffer.from([0, 255, 16]).toString('base64url') } },
  ]);
  await call.call('POST', `${call.db('odd')}/commits`, `{"id":"huge-value-1","ops":[{"op":"put","store":"raw","k":"c","v":${huge}}]}`);
  await h.show(page, server, 'odd', 'raw');
  await h.focus(page, 2, 'value');
  assert.equal(await h.cell(page, 2, 'value'), '00 ff 10');
  await page.keyboard.press('F2');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('00 ff 11');
  await page.keyboard.press('Enter');
  await h.focus(page, 1, 'value');
  await page.keyboard.press('F2');
  await page.keyboard.press('End');
  await page.keyboard.type('!');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar');
  await h.commit(page);
  assert.equal((await call.item('odd', 'raw', 'b')).body.v.v, Buffer.from([0, 255, 17]).toString('base64url'));
  assert.equal((await call.item('odd', 'raw', 'a')).body.v.v, 'plain, <b>bold</b>!');
  await h.goto(page, '#3');
  await page.getByRole('button', { name: 'Read it whole' }).click();
  await page.waitForSelector('.tree-line .num');
  assert.match(await page.locator('.tree').textContent(), /9007199254740993/);
  await page.context().close();
});

test('check 14: hostile keys, values, fields and names are texts everywhere', async () => {
  const page = await h.enter(server);
  const { databases } = (await call.call('GET', '/r/local/databases')).body;
  for (const d of databases) {
    const { stores } = (await call.call('GET', `${call.db(d.name)}/stores`)).body;
    for (const s of stores.filter((x) => !x.system)) {
      await h.show(page, server, d.name, s.name);
      await page.getByRole('tab', { name: 'Form' }).click();
      await page.getByRole('tab', { name: 'Raw' }).click();
      for (const key of ['Control+k', 'Control+h', '?']) {
        await page.locator('[role=grid]').focus();
        await page.keyboard.press(key);
        await page.waitForSelector('dialog[open]');
        await page.keyboard.press('Escape');
        await page.waitForSelector('dialog[open]', { state: 'detached' });
      }
    }
  }
  await h.show(page, server, 'odd', 'evil');
  await h.focus(page, 1, 'name');
  await page.keyboard.type(EVIL[1]);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+Shift+s');
  await page.waitForSelector('.change');
  await page.getByLabel('Commit message').fill(EVIL[0]);
  await page.getByRole('dialog').getByRole('button', { name: /^Commit/ }).click();
  await page.waitForSelector('.changebar', { state: 'detached' });
  await page.getByRole('button', { name: 'Commit history' }).click();
  await page.waitForSelector('.commit');
  assert.ok((await page.locator('.commit').first().textContent()).includes(EVIL[0]));
  const planted = await page.evaluate(() => document.querySelectorAll('img[src="x"], [onerror], main script, nav script, dialog script').length);
  assert.equal(planted, 0);
  await page.context().close();
});

test('check 22: a tree of 5,000 nodes opens whole at once, finds, and an edit changes one leaf', async (t) => {
  const page = await h.enter(server);
  const list = Array.from({ length: 1250 }, (_, i) => ({ n: i, t: `leaf ${i}`, deep: { d: i } }));
  await call.put('odd', 'raw', 'tree', { list });
  await h.show(page, server, 'odd', 'raw', '?at=1');
  await h.goto(page, 'tree');
  await page.waitForFunction(() => document.querySelector('.insp-key .key')?.textContent === 'tree');
  const whole = page.getByRole('button', { name: 'Read it whole' });
  if (await whole.count()) await whole.click();
  await page.waitForSelector('.tree');
  const runs = [];
  for (let i = 0; i < 5; i++) {
    await page.getByRole('button', { name: 'Fold all' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.tree-line').length === 1);
    runs.push(
      await page.evaluate(async () => {
        const t0 = performance.now();
        document.querySelector('[aria-label="Expand all"]').click();
        while (document.querySelector('.tree-size').offsetHeight < 22 * 5000) await new Promise(requestAnimationFrame);
        return performance.now() - t0;
      }),
    );
  }
  h.budget(t, 'expand all of 6,252 lines', runs, 200);
  await page.getByLabel('Search in the value').fill('leaf 777');
  await page.waitForSelector('.tree-line.hit');
  await page.locator('.tree-line.hit').first().click();
  await page.getByLabel('New value of /list/777/t').fill('changed');
  await page.locator('.pick').getByRole('button', { name: 'Stage' }).click();
  await page.waitForSelector('.changebar');
  await h.commit(page);
  const now = (await call.item('odd', 'raw', 'tree')).body.v.list;
  assert.deepEqual(now, list.map((x, i) => (i === 777 ? { ...x, t: 'changed' } : x)));
  await page.context().close();
});

test('no page said an error, met the content policy, or asked elsewhere', () => assert.deepEqual(h.complaints, []));
