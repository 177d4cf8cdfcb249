// SPDX-License-Identifier: MIT
// Looking and changing: the flows a person makes, against the real server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

let server;
let db;
const people = h.people(1000);
const key = (n) => ({ $t: 'tuple', v: [n] });
before(async () => {
  db = h.join(h.folder(), 'shop');
  h.load(db, 'users', people);
  h.load(db, 'typos', people.map((p) => ({ ...p, note: p.id % 20 === 0 ? `Recieved from ${p.name}` : 'fine' })));
  for (const s of ['undo', 'merge', 'paste', 'keys']) h.load(db, s, people);
  server = await h.serve([db]);
});
after(async () => {
  await h.close();
  await server.stop();
});
const values = async (s) => (await h.api(server).items('shop', s)).items;
const differ = (a, b) => a.filter((x, i) => JSON.stringify(x.v) !== JSON.stringify(b[i].v)).length;
const select = async (page, row, column, more) => {
  await h.focus(page, row, column);
  for (let i = 0; i < more; i++) await page.keyboard.press('Shift+ArrowDown');
};

test('check 1: a folder opens to its first row without a dialog', async (t) => {
  const small = db2();
  const runs = await h.times(5, async () => {
    const mine = await h.serve([small]);
    const page = await h.enter(mine);
    await page.waitForSelector('.g-cell .key');
    assert.equal(await page.locator('dialog').count(), 0);
    await page.context().close();
    await mine.stop();
  });
  h.budget(t, 'first row after the start of the process', runs, 2000);
});
let copies = 0;
function db2() {
  const path = h.join(h.folder(), `d${copies++}.db`);
  h.load(path, 'things', h.people(50));
  return path;
}

test('check 1: an empty folder offers one button, and leads to a grid', async () => {
  const dir = h.folder();
  const mine = await h.serve([dir]);
  const page = await h.enter(mine);
  await page.waitForSelector('.start, .blank');
  if (await page.locator('.start').count()) await page.getByRole('button', { name: 'Create a sample database' }).click();
  else {
    await page.getByRole('main').getByRole('button', { name: 'Create a store' }).click();
    await page.getByLabel('Name', { exact: true }).fill('first');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  }
  await page.waitForSelector('[role=grid]');
  await page.context().close();
  await mine.stop();
});

test('check 2: the first bytes are few, all of them from here', async (t) => {
  const page = await h.enter(server);
  let bytes = 0;
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Network.setCacheDisabled', { cacheDisabled: true });
  const first = new Map();
  cdp.on('Network.responseReceived', (e) => first.set(e.requestId, e.response.url));
  cdp.on('Network.loadingFinished', (e) => {
    const url = first.get(e.requestId) ?? '';
    if (/\/assets\/index-|index\.html|\/icon|\/r\//.test(url) && !url.includes('/api/')) bytes += e.encodedDataLength;
  });
  await h.show(page, server, 'shop', 'users');
  h.budget(t, 'initial transfer', [bytes / 1000], 80, 'kB');
  assert.ok(bytes > 20_000, `${bytes} bytes were counted`);
  await page.context().close();
});

test('check 7: a value set in 50 selected cells is one commit of exactly 50 items', async () => {
  const page = await h.enter(server);
  const before = await values('users');
  await h.show(page, server, 'shop', 'users');
  await select(page, 101, 'country', 49);
  await page.keyboard.type('Portugal');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.changebar');
  assert.deepEqual(differ(before, await values('users')), 0, 'nothing is written before the commit');
  await page.keyboard.press('Control+Shift+s');
  await page.waitForSelector('.change');
  const shown = await page.locator('.change .field ins').allTextContents();
  assert.equal(shown.length, 50);
  assert.ok(shown.every((x) => x === 'Portugal'));
  await page.keyboard.press('Escape');
  await h.commit(page);
  const now = await values('users');
  assert.equal(differ(before, now), 50);
  assert.ok(now.slice(100, 150).every((i) => i.v.country === 'Portugal'));
  assert.equal((await h.api(server).commits('shop'))[0].items, 50);
  await page.context().close();
});

test('check 7: find and replace changes exactly what it shows, in one commit', async () => {
  const page = await h.enter(server);
  const before = await values('typos');
  await h.show(page, server, 'shop', 'typos');
  await page.keyboard.press('Control+h');
  await page.keyboard.type('recieved');
  await page.getByLabel('Replace by').fill('Received');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.waitForSelector('.change');
  assert.match(await page.locator('[role=status].note').textContent(), /50 places in 50 items/);
  await page.getByRole('button', { name: 'Stage 50' }).click();
  await page.waitForSelector('.changebar');
  await h.commit(page);
  const now = await values('typos');
  assert.equal(differ(before, now), 50);
  assert.ok(now.every((i) => !/recieved/i.test(i.v.note)));
  assert.equal((await h.api(server).commits('shop'))[0].items, 50);
  await page.context().close();
});

test('check 8: nothing is written before the commit; a reload, a filter and another tab keep what is staged', async () => {
  const page = await h.enter(server);
  const before = await values('keys');
  await h.show(page, server, 'shop', 'keys');
  await h.focus(page, 3, 'country');
  await page.keyboard.type('Atlantis');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar');
  await page.reload();
  await page.waitForSelector('.changebar');
  await page.waitForSelector('.g-cell .key');
  assert.equal(await h.cell(page, 3, 'country'), 'Atlantis');
  await page.getByRole('button', { name: 'users', exact: true }).first().click();
  await page.getByRole('navigation', { name: 'Databases' }).getByRole('button', { name: 'keys', exact: true }).click();
  await page.waitForFunction(() => document.querySelector('.g-cell.staged'));
  assert.equal(await h.cell(page, 3, 'country'), 'Atlantis');
  assert.equal(differ(before, await values('keys')), 0);
  await page.getByRole('region', { name: 'Staged changes' }).getByRole('button', { name: 'Discard' }).click();
  await page.waitForSelector('.changebar', { state: 'detached' });
  await page.context().close();
});

test('check 9: undo and redo walk every step; the old value again is no change', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'keys');
  const old = await h.cell(page, 2, 'country');
  for (const v of ['One', 'Two', 'Three']) {
    await h.focus(page, 2, 'country');
    await page.keyboard.type(v);
    await page.keyboard.press('Enter');
  }
  const is = (v) => h.until(async () => (await h.cell(page, 2, 'country')) === v, () => h.cell(page, 2, 'country'));
  await page.keyboard.press('Control+z');
  await is('Two');
  await page.keyboard.press('Control+z');
  await is('One');
  await page.keyboard.press('Control+Shift+z');
  await is('Two');
  await h.focus(page, 2, 'country');
  await page.keyboard.type(old);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar', { state: 'detached' });
  await page.context().close();
});

test('check 10: different fields of one item merge by themselves, the same field is asked about', async () => {
  const [a, b] = [await h.enter(server), await h.enter(server)];
  const edit = async (page, column, v) => {
    await h.focus(page, 5, column);
    await page.keyboard.type(v);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.changebar');
  };
  await h.show(a, server, 'shop', 'merge');
  await h.show(b, server, 'shop', 'merge');
  await edit(a, 'country', 'Here');
  await edit(b, 'status', 'there');
  await h.commit(a);
  await h.commit(b);
  let now = (await h.api(server).item('shop', 'merge', key(5))).body.v;
  assert.deepEqual([now.country, now.status], ['Here', 'there']);
  for (const side of ['theirs', 'mine']) {
    const [va, vb] = [`A-${side}`, `B-${side}`];
    await a.reload();
    await b.reload();
    for (const p of [a, b]) await p.waitForSelector('.g-cell .key');
    await edit(a, 'name', va);
    await edit(b, 'name', vb);
    await h.commit(a);
    await b.keyboard.press('Control+s');
    await b.waitForSelector('.three');
    const text = await b.locator('.change').textContent();
    assert.ok(text.includes(va) && text.includes(vb), text);
    await b.getByRole('button', { name: `Take all ${side}` }).click();
    await b.getByRole('button', { name: 'Rebase and commit' }).click();
    await b.waitForSelector('.changebar', { state: 'detached' });
    now = (await h.api(server).item('shop', 'merge', key(5))).body.v;
    assert.equal(now.name, side === 'mine' ? vb : va);
  }
  await a.context().close();
  await b.context().close();
});

test('check 11: the undo of a bulk edit restores every byte, and asks when somebody was faster', async () => {
  const page = await h.enter(server);
  const before = await values('undo');
  const raw = async () => (await h.api(server).call('GET', `${h.api(server).db('shop')}/stores/undo/items?limit=1000`)).text.replace(/"snapshot":\d+/, '');
  const text = await raw();
  await h.show(page, server, 'shop', 'undo');
  await select(page, 11, 'status', 19);
  await page.keyboard.type('gone');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.changebar');
  await h.commit(page);
  assert.equal(differ(before, await values('undo')), 20);
  await page.locator('.toast.good .link').click();
  await page.waitForSelector('.change');
  await page.getByRole('dialog').getByRole('button', { name: /^Commit/ }).click();
  await page.waitForSelector('.changebar', { state: 'detached' });
  assert.equal(await raw(), text);
  await select(page, 31, 'status', 4);
  await page.keyboard.type('again');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.changebar');
  await h.commit(page);
  await h.api(server).put('shop', 'undo', key(33), { mine: true });
  await page.locator('.toast.good .link').last().click();
  await page.waitForSelector('.change');
  await page.getByRole('dialog').getByRole('button', { name: /^Commit/ }).click();
  await page.waitForSelector('.three');
  assert.deepEqual((await h.api(server).item('shop', 'undo', key(33))).body.v, { mine: true }, 'nothing was lost');
  await page.context().close();
});

test('check 18: TSV goes out and comes in as a spreadsheet writes it, in one commit', async () => {
  const page = await h.enter(server);
  const before = await values('paste');
  await h.show(page, server, 'shop', 'paste');
  await h.focus(page, 4, 'name');
  for (const k of ['Shift+ArrowDown', 'Shift+ArrowDown', 'Shift+ArrowRight', 'Shift+ArrowRight']) await page.keyboard.press(k);
  await page.keyboard.press('Control+c');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, before.slice(3, 6).map((i) => [i.v.name, i.v.email, i.v.country].join('\t')).join('\n'));
  await page.evaluate(() => navigator.clipboard.writeText('"two\nlines"\t"with ""quotes"""\tX\r\nplain\ttext\tY\r\n'));
  await h.focus(page, 8, 'name');
  await page.keyboard.press('Control+v');
  await page.waitForSelector('.changebar');
  await h.commit(page);
  const now = await values('paste');
  assert.deepEqual([now[7].v.name, now[7].v.email, now[7].v.country], ['two\nlines', 'with "quotes"', 'X']);
  assert.deepEqual([now[8].v.name, now[8].v.country], ['plain', 'Y']);
  assert.equal(differ(before, now), 2);
  await page.evaluate(() => navigator.clipboard.writeText(Array.from({ length: 50 }, (_, i) => `p${i}`).join('\n')));
  await h.focus(page, 201, 'name');
  await page.keyboard.press('Control+v');
  await h.commit(page);
  const fifty = await values('paste');
  assert.equal(differ(now, fifty), 50);
  assert.equal((await h.api(server).commits('shop'))[0].items, 50);
  await page.context().close();
});

test('check 17: select, change 50, review and commit by keyboard only, the focus seen and given back', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'keys');
  await select(page, 501, 'status', 49);
  await page.keyboard.type('keyboard');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.changebar');
  await page.keyboard.press('Control+Shift+s');
  await page.waitForSelector('dialog[open] .change');
  assert.ok(await page.evaluate(() => document.querySelector('dialog[open]').contains(document.activeElement)));
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'grid');
  const grid = await page.evaluate(() => {
    const g = document.querySelector('[role=grid]');
    const cell = document.getElementById(g.getAttribute('aria-activedescendant'));
    return { rows: g.getAttribute('aria-rowcount'), row: cell.parentElement.closest('[role=row]').getAttribute('aria-rowindex'), text: cell.textContent, outline: getComputedStyle(cell).boxShadow };
  });
  assert.deepEqual([grid.rows, grid.row, grid.text], ['1001', '551', 'keyboard']);
  assert.notEqual(grid.outline, 'none');
  await h.commit(page);
  assert.equal((await values('keys')).filter((i) => i.v.status === 'keyboard').length, 50);
  await page.context().close();
});

test('no page said an error, met the content policy, or asked elsewhere', () => assert.deepEqual(h.complaints, []));
