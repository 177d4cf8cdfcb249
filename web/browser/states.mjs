// SPDX-License-Identifier: MIT
// The states of the page that are looked at: by axe in the tests, and by people in the pictures.
import * as h from './harness.mjs';

const TASKS = Array.from({ length: 60 }, (_, i) => ({ id: `T-${String(i + 1).padStart(4, '0')}`, title: i % 3 ? `Recieved order ${i + 1}` : `Call customer ${i + 1}`, state: ['open', 'pending', 'done'][i % 3], priority: 1 + (i % 5), due: `2027-${String(1 + (i % 12)).padStart(2, '0')}-15`, note: i % 4 ? null : '' }));

/** Two environments with a few stores, as somebody might have them. */
export async function world() {
  const dir = h.folder();
  const places = { sandbox: h.join(dir, 'sandbox'), production: h.join(dir, 'production') };
  for (const p of Object.values(places)) h.mkdirSync(p);
  const shop = h.join(places.sandbox, 'shop');
  h.load(shop, 'users', h.people(20_000));
  h.load(shop, 'tasks', TASKS);
  h.load(shop, 'orders', Array.from({ length: 3000 }, (_, i) => ({ id: `o-${String(i).padStart(6, '0')}`, user: 1 + (i % 999), total: ((i * 37) % 9000) / 100, items: [{ sku: `A${i % 77}`, n: i % 5 }], state: ['paid', 'open', 'shipped'][i % 3] })));
  h.load(h.join(places.sandbox, 'telemetry'), 'events', Array.from({ length: 500 }, (_, i) => ({ id: i, kind: 'tick', v: i * 1.5 })));
  h.load(h.join(places.production, 'shop'), 'users', h.people(500));
  h.sop(['create', shop, 'empty', '--quiet']);
  const file = h.join(dir, 'registry.json');
  const env = (id, label, color, write, names) => ({ id, label, kind: 'local', color, write, databases: names.map((name) => ({ name, url: h.join(places[id === 'local' ? 'sandbox' : 'production'], name) })) });
  h.writeFileSync(file, JSON.stringify({ environments: [env('local', 'Local sandbox', 'green', 'yes', ['shop', 'telemetry']), env('production', 'Production', 'amber', 'arm', ['shop']), env('fresh', 'Fresh', 'blue', 'yes', [])] }));
  const server = await h.serve(['--registry', file, '--root', dir]);
  await (await h.enter(server)).context().close();
  return server;
}

const esc = async (page) => {
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
};
const panel = async (page, name) => {
  const more = page.locator('.toolbar').getByRole('button', { name, exact: true });
  if (await more.first().isVisible()) await more.first().click();
  else {
    await page.getByRole('button', { name: 'More' }).click();
    await page.locator('#more').getByRole('button', { name, exact: true }).click();
  }
  await page.waitForSelector('dialog[open]');
};
const stage = async (page, value) => {
  await h.focus(page, 12, 'country');
  for (let i = 0; i < 49; i++) await page.keyboard.press('Shift+ArrowDown');
  await page.keyboard.type(value);
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.changebar');
};

/** Name, is it one of the ten main ones, how to get there, and how to leave. */
export const STATES = [
  ['start', true, (page, s) => page.goto(`${s.address}/r/fresh`).then(() => page.waitForSelector('.start'))],
  ['grid', true, (page, s) => h.show(page, s, 'shop', 'users')],
  ['jump', false, async (page) => (await h.goto(page, '#15,000'), await h.currentRow(page, 15_000))],
  ['filter', true, async (page) => (await page.keyboard.press('Control+f'), await page.keyboard.type('country = '), await page.waitForSelector('.suggest li')), (page) => page.keyboard.press('Escape')],
  ['bulk', true, (page, _s, theme) => stage(page, theme === 'dark' ? 'Portugal' : 'Iceland')],
  ['review', true, async (page) => (await page.keyboard.press('Control+Shift+s'), await page.waitForSelector('.change')), esc],
  ['palette', true, async (page) => (await page.keyboard.press('Control+k'), await page.keyboard.type('or'), await page.waitForSelector('#palette-list')), esc],
  ['find', false, async (page) => (await page.keyboard.press('Control+h'), await page.keyboard.type('ada'), await page.getByLabel('Replace by').fill('Eva'), await page.getByRole('button', { name: 'Preview' }).click(), await page.waitForSelector('.change')), esc],
  ['columns', false, (page) => panel(page, 'Columns'), esc],
  ['code', false, (page) => panel(page, 'Code'), esc],
  ['export', false, (page) => panel(page, 'Export'), esc],
  ['menu', false, async (page) => (await page.locator('.g-th', { hasText: 'country' }).click({ button: 'right' }), await page.waitForSelector('.menu:popover-open')), (page) => page.keyboard.press('Escape')],
  ['profile', true, async (page) => {
    await h.focus(page, 12, 'balance');
    await page.keyboard.press('Alt+ArrowDown');
    await page.getByRole('menuitem', { name: /^Profile/ }).click();
    await page.waitForSelector('.histogram');
    await page.waitForFunction(() => !document.querySelector('dialog progress'));
  }, esc],
  ['form', false, (page) => page.getByRole('tab', { name: 'Form' }).click(), (page) => page.getByRole('tab', { name: 'Tree' }).click()],
  ['conflict', true, async (page, s, theme) => {
    const k = { $t: 'tuple', v: [20] };
    await h.api(s).put('shop', 'users', k, { ...h.person(20), country: theme === 'dark' ? 'Malta' : 'Cyprus' });
    await page.keyboard.press('Control+s');
    await page.waitForSelector('.three');
  }, async (page) => {
    await page.getByRole('button', { name: 'Rebase and commit' }).click();
    await page.waitForSelector('.changebar', { state: 'detached' });
  }],
  ['committed', false, (page) => page.waitForSelector('.toast.good')],
  ['history', false, async (page) => (await page.getByRole('button', { name: 'Commit history' }).click(), await page.locator('.commit .fold').first().click(), await page.waitForSelector('.commit .field')), esc],
  ['health', true, async (page) => (await page.getByRole('button', { name: 'Health and space' }).click(), await page.waitForSelector('.figures div'), await page.waitForTimeout(2500)), esc],
  ['designer', true, async (page) => {
    await page.getByRole('button', { name: 'Menu of shop' }).click();
    await page.getByRole('button', { name: 'Create a store' }).click();
    await page.getByLabel('Name', { exact: true }).fill('sales');
    await page.getByRole('radio', { name: 'Composite' }).click();
    await page.getByRole('button', { name: 'Add a part' }).click();
  }, esc],
  ['database', false, async (page) => (await page.getByRole('button', { name: 'Add a database' }).click(), await page.waitForSelector('dialog[open]')), esc],
  ['drop', false, async (page) => (await page.getByRole('button', { name: 'Menu of orders' }).click(), await page.getByRole('button', { name: 'Drop', exact: true }).click(), await page.waitForSelector('dialog[open]')), esc],
  ['help', false, async (page) => (await page.locator('[role=grid]').focus(), await page.keyboard.press('?'), await page.waitForSelector('.keymap')), esc],
  ['import', false, async (page) => {
    await panel(page, 'Import');
    await page.setInputFiles('input[type=file]', { name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from('id,name,age,zip\n90001,Ada,36,00123\n90002,Grace,85,04711\n') });
    await page.waitForSelector('.preview tbody tr');
  }, esc],
  ['pages', false, async (page, s) => (await h.show(page, s, 'shop', 'orders', '?size=50&order=desc'), await page.waitForSelector('.pager'))],
  ['nothing', false, async (page, s) => (await page.goto(h.addressOf(s, 'shop', 'tasks', '?q=state+%3D+lost')), await page.waitForSelector('.empty'))],
  ['empty', false, async (page, s) => (await page.goto(h.addressOf(s, 'shop', 'empty')), await page.waitForSelector('.empty'))],
  ['production', false, (page, s) => h.show(page, s, 'shop', 'users', '', 'production')],
];

/** The same page where there is little room: a phone, and a window at 200 %. */
export const SMALL = [
  ['phone', { width: 360, height: 740 }],
  ['zoom', { width: 720, height: 450 }],
];

export async function enterAs(server, theme, viewport) {
  const page = await h.enter(server, { colorScheme: theme, ...(viewport ? { viewport } : {}) });
  return page;
}
