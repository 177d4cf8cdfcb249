// SPDX-License-Identifier: MIT
// Entry of the page: trade the launch token for a session, then show the app.
import { mount } from 'svelte';
import './app.css';
import App from './app/App.svelte';
import { app } from './app/state.svelte';

app.boot().catch((e: unknown) => app.fail(e));
mount(App, { target: document.getElementById('app')! });
