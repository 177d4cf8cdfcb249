// SPDX-License-Identifier: MIT
// Opening and creating databases from the page; the folders opened before are remembered in this browser.
import { ApiError } from '../lib/api';
import { app } from './state.svelte';

const RECENT = 'sop-recent';

export function recent(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(RECENT) ?? '[]');
    return Array.isArray(list) ? list.filter((x): x is string => typeof x === 'string').slice(0, 6) : [];
  } catch {
    return [];
  }
}

export async function openDatabase(url: string, mode: 'open' | 'create', name: string): Promise<void> {
  const db = await app.api.addDatabase(app.registry, name || url, url, mode);
  localStorage.setItem(RECENT, JSON.stringify([url, ...recent().filter((x) => x !== url)].slice(0, 6)));
  await app.relist();
  const stores = await app.expand(db.name);
  const first = stores.find((s) => !s.system);
  if (first) await app.openStore(db.name, first.name);
}

/** One field, one button: open what is there, create what is not. */
export async function openOrCreate(url: string): Promise<void> {
  const name = url.replace(/\/+$/, '').split('/').pop()?.replace(/\.(db|sop)$/, '') || 'data';
  try {
    await openDatabase(url, 'open', name);
  } catch (e) {
    if (!(e instanceof ApiError) || e.status !== 404) throw e;
    await openDatabase(url, 'create', name);
    app.toast(`${name} was created`, 'good');
  }
}

const CITIES: [string, string, number][] = [
  ['Tokyo', 'JP', 37115035], ['Delhi', 'IN', 33807403], ['Shanghai', 'CN', 29867918], ['Dhaka', 'BD', 23935652], ['São Paulo', 'BR', 22806704], ['Cairo', 'EG', 22623874],
  ['Mexico City', 'MX', 22505315], ['Beijing', 'CN', 22189082], ['Mumbai', 'IN', 21673149], ['Osaka', 'JP', 18967459], ['Karachi', 'PK', 17648555], ['Kinshasa', 'CD', 17032322],
  ['Lagos', 'NG', 16536018], ['Istanbul', 'TR', 16047350], ['Buenos Aires', 'AR', 15618288], ['Manila', 'PH', 14941953], ['Lima', 'PE', 11361938], ['Paris', 'FR', 11276701],
  ['London', 'GB', 9748033], ['Nairobi', 'KE', 5541172], ['Lisboa', 'PT', 3014607], ['Oslo', 'NO', 1101000], ['Reykjavík', 'IS', 216940],
];

/** A small database to play with: two stores, made in one commit each. */
export async function openSample(): Promise<void> {
  await openDatabase('sample', 'create', 'sample');
  const { registry: r, api } = app;
  await api.addStore(r, 'sample', { name: 'cities', description: 'Large cities and their people', key: { form: 'text', name: 'city' } });
  await api.addStore(r, 'sample', { name: 'tasks', description: 'A list to edit', key: { form: 'text', name: 'id' } });
  const { parse } = await import('../lib/json');
  const put = (store: string, k: string, v: object): ReturnType<typeof parse> => parse(JSON.stringify({ op: 'put', store, k, v }));
  const cities = CITIES.map(([city, country, people]) => put('cities', city, { country, people, capital: ['Tokyo', 'Delhi', 'Dhaka', 'Cairo', 'Mexico City', 'Beijing', 'Kinshasa', 'Buenos Aires', 'Manila', 'Lima', 'Paris', 'London', 'Nairobi', 'Lisboa', 'Oslo', 'Reykjavík'].includes(city) }));
  const states = ['open', 'pending', 'done'];
  const tasks = Array.from({ length: 200 }, (_, i) => put('tasks', `T-${String(i + 1).padStart(4, '0')}`, { title: i % 4 ? `Recieved order ${i + 1}` : `Call customer ${i + 1}`, state: states[i % 3], priority: 1 + (i % 5), due: `2027-${String(1 + (i % 12)).padStart(2, '0')}-15`, tags: [`t${i % 7}`] }));
  await api.commit(r, 'sample', `sample-${Date.now()}`, 'Sample data', [...cities, ...tasks]);
  await app.relist();
  await app.openStore('sample', 'tasks');
}
