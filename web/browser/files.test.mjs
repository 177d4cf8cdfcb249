// SPDX-License-Identifier: MIT
// Files in and out, and what is made, renamed, described, checked and copied by hand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

let server;
let call;
let dir;
before(async () => {
  dir = h.folder();
  const db = h.join(dir, 'shop');
  h.load(db, 'users', h.people(3000));
  h.sop(['create', db, 'target', '--quiet']);
  server = await h.serve([db, '--root', dir]);
  await (await h.enter(server)).context().close();
  call = h.api(server);
});
after(async () => {
  await h.close();
  await server.stop();
});

test('import: a dropped CSV file shows keys and types first, and is stored as shown', async () => {
  const page = await h.enter(server);
  await page.goto(h.addressOf(server, 'shop', 'target'));
  await page.waitForSelector('.empty');
  const rows = Array.from({ length: 4500 }, (_, i) => `k${String(i).padStart(5, '0')},"name, ${i}",${i}.50,00${i},${i % 2 === 0}`);
  const text = `code,name,price,zip,ok\r\n${rows.join('\r\n')}\r\n`;
  await page.evaluate((t) => {
    const data = new DataTransfer();
    data.items.add(new File([t], 'things.csv', { type: 'text/csv' }));
    for (const kind of ['dragover', 'drop']) document.querySelector('.grid-area').dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
  }, text);
  await page.waitForSelector('.preview tbody tr');
  assert.deepEqual(await page.locator('.preview th select').evaluateAll((l) => l.map((s) => s.value)), ['text', 'text', 'number', 'text', 'boolean']);
  assert.equal(await page.locator('.preview tbody td').first().textContent(), 'k00000');
  await page.getByRole('button', { name: 'Import', exact: true }).last().click();
  await page.waitForSelector('.toast.good');
  assert.match(await page.locator('.toast.good').textContent(), /4,500 items imported in 3 transactions/);
  const { text: raw } = await call.item('shop', 'target', 'k00007');
  assert.ok(raw.includes('{"code":"k00007","name":"name, 7","price":7.50,"zip":"007","ok":false}'), raw);
  await page.waitForFunction(() => document.querySelector('.status').textContent.includes('4,500 items'));
  await page.context().close();
});

test('import: a bad line is named, and nothing after it is stored', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'target');
  const before = (await call.items('shop', 'target', 'limit=1')).count;
  await page.locator('.toolbar').getByRole('button', { name: 'Import' }).first().click();
  await page.setInputFiles('input[type=file]', { name: 'bad.ndjson', mimeType: 'application/json', buffer: Buffer.from('{"code":"zz1"}\n{"code":\n') });
  await page.waitForSelector('dialog .fault');
  assert.match(await page.locator('dialog .fault').textContent(), /line 2/);
  assert.equal((await call.items('shop', 'target', 'limit=1')).count, before);
  await page.context().close();
});

test('export: what is shown is what the file holds', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'users', '?q=country+%3D+Japan');
  const save = async (format) => {
    await page.locator('.toolbar').getByRole('button', { name: 'Export' }).first().click();
    await page.getByRole('radio', { name: format, exact: true }).click();
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('dialog').getByRole('button', { name: 'Export' }).click()]);
    await page.waitForSelector('dialog[open]', { state: 'detached' });
    return readFileSync(await file.path(), 'utf8');
  };
  const want = h.people(3000).filter((p) => p.country === 'Japan');
  const lines = (await save('NDJSON')).trim().split('\n').map((l) => JSON.parse(l));
  assert.deepEqual(lines.map((l) => l.value), want);
  assert.deepEqual(JSON.parse(await save('JSON')).map((l) => l.key[0]), want.map((p) => p.id));
  const csv = (await save('CSV')).trim().split('\n');
  assert.equal(csv.length, want.length + 1);
  assert.ok(csv[1].startsWith(`${want[0].id},${want[0].id},${want[0].name},${want[0].email},Japan`), csv[1]);
  await page.context().close();
});

test('stores and databases are made, renamed and described', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'users');
  await page.getByRole('button', { name: 'Add a database' }).click();
  await page.getByLabel('Folder').fill(h.join(dir, 'second'));
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).last().click();
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await page.getByRole('button', { name: 'Menu of second' }).click();
  await page.getByRole('button', { name: 'Create a store' }).click();
  await page.getByLabel('Name', { exact: true }).fill('notes');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await page.waitForSelector('.empty');
  await page.getByRole('button', { name: 'Menu of notes' }).click();
  await page.getByRole('button', { name: 'Name, key, rules' }).click();
  await page.getByLabel('Name', { exact: true }).fill('remarks');
  await page.getByLabel('Description').fill('what was said');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  const made = (await call.call('GET', `${call.db('second')}/stores/remarks`)).body;
  assert.equal(made.description, 'what was said');
  await page.getByRole('button', { name: 'Add item' }).last().click();
  await page.getByLabel('Key', { exact: true }).fill('first');
  await page.getByLabel('Value', { exact: true }).fill('{"n":9007199254740993}');
  await page.getByRole('dialog').getByRole('button', { name: 'Stage' }).click();
  await page.waitForSelector('.changebar');
  await h.commit(page);
  assert.match((await call.item('second', 'remarks', 'first')).text, /"n":9007199254740993/);
  await page.context().close();
});

test('health: a check and a backup run from the page and tell how they ended', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'users');
  await page.getByRole('button', { name: 'Health and space' }).click();
  await page.waitForSelector('.figures div');
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.waitForSelector('.job .pill');
  assert.equal(await page.locator('.job .pill').textContent(), 'check found nothing wrong');
  await page.getByLabel('A copy of this moment').fill(h.join(dir, 'copy'));
  await page.getByRole('button', { name: 'Back up' }).click();
  await page.waitForFunction(() => document.querySelector('.job .pill')?.textContent === 'backup is complete');
  assert.equal(h.sop(['count', h.join(dir, 'copy'), 'users']).trim().replace(/\D/g, ''), '3000');
  await page.context().close();
});

test('no page said an error, met the content policy, or asked elsewhere', () => assert.deepEqual(h.complaints, []));
