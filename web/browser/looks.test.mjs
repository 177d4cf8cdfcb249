// SPDX-License-Identifier: MIT
// Every screen in both themes, on a phone and at 200 %: nothing serious or critical for those who cannot see or point well.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';
import { enterAs, SMALL, STATES, world } from './states.mjs';

let server;
before(async () => (server = await world()));
after(async () => {
  await h.close();
  await server.stop();
});

for (const theme of ['light', 'dark'])
  test(`check 16: no serious or critical finding of axe on any screen, ${theme}`, async (t) => {
    const page = await enterAs(server, theme);
    for (const [name, , go, leave] of STATES)
      await t.test(name, async () => {
        await go(page, server, theme);
        await page.waitForTimeout(100);
        const found = await h.axe(page);
        await leave?.(page);
        assert.deepEqual(found, []);
      });
    await page.context().close();
  });

for (const [name, viewport] of SMALL)
  test(`check 16: ${name}: nothing is cut off sideways, and axe finds nothing serious`, async () => {
    const page = await enterAs(server, 'dark', viewport);
    await h.show(page, server, 'shop', 'users', '?q=country+%3D+Japan');
    const over = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, ...[...document.querySelectorAll('.toolbar button, .top button, .changebar button')].filter((b) => b.offsetParent && (b.getBoundingClientRect().right > innerWidth + 1 || b.getBoundingClientRect().left < -1)).map((b) => b.outerHTML.slice(0, 80))]);
    assert.deepEqual(over, [0]);
    assert.deepEqual(await h.axe(page), []);
    await page.keyboard.press('Control+k');
    await page.waitForSelector('dialog[open]');
    assert.deepEqual(await h.axe(page), []);
    await page.context().close();
  });

test('check 25: no button wraps, and the change bar covers no row', async () => {
  const page = await enterAs(server, 'light');
  await h.show(page, server, 'shop', 'users');
  for (const width of [1440, 1100, 900, 700]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(100);
    const tall = await page.evaluate(() => [...document.querySelectorAll('.btn')].filter((b) => b.offsetParent && b.offsetHeight > 42).map((b) => b.textContent));
    assert.deepEqual(tall, [], `at ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await h.focus(page, 3, 'country');
  await page.keyboard.type('x');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar');
  const [bar, grid] = [await page.locator('.changebar').boundingBox(), await page.locator('.grid-host').boundingBox()];
  assert.ok(grid.y + grid.height <= bar.y + 1);
  await page.context().close();
});

test('no page said an error, met the content policy, or asked elsewhere', () => assert.deepEqual(h.complaints, []));
