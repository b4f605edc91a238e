// What people do to their networks, and that nothing is missed by it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withDemo } from './page.mjs';

/** What the browser itself says of a post that found its session gone, because its stream was cut or ended. */
const GONE = /status of 410/;

/** Stops the counting, and compares what was published with what everybody got. */
async function everyNumberOnce(demo) {
  demo.tolerated.push(GONE);
  await demo.at('count').click();
  const [published] = await demo.eventually('counted', /^bob published (\d+), \1 acknowledged$/);
  for (const user of ['ann', 'bob']) await demo.sees(`tally-${user}`, new RegExp(`^${published} received · 0 missed · 0 twice$`));
  return Number(published);
}

test('where WebSocket is blocked it is SSE, and where that is blocked polling, and no number is missed', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.sees('state-ann', /^online by websocket$/);
    await demo.at('count').click();
    await demo.someMore('ann');
    await demo.at('block-websocket-ann').check();
    await demo.sees('state-ann', /^online by sse$/);
    await demo.someMore('ann');
    await demo.at('block-sse-ann').check();
    await demo.sees('state-ann', /^online by poll$/);
    await demo.someMore('ann');
    // It goes on with what works, whatever may work again.
    await demo.at('block-websocket-ann').uncheck();
    await demo.at('cut-ann').click();
    await demo.someMore('ann');
    await demo.sees('state-ann', /^online by poll$/);
    await demo.sees('state-bob', /^online by websocket$/);
    assert.ok((await everyNumberOnce(demo)) >= 20);
    await demo.at('text-ann').fill('By polling.');
    await demo.at('send-ann').click();
    await demo.seesIn('talk-bob', 'said', 'By polling.');
    await demo.at('all-ann').locator('> summary').click();
    for (const line of [/ann → sent publish/, /ann ← received ack/, /ann ← received message/]) await demo.seesIn('envelopes-ann', 'envelope', line);
  }));

test('a transport is chosen while numbers come, by who gets them and by who sends them', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.at('count').click();
    for (const user of ['ann', 'bob']) {
      for (const transport of ['sse', 'poll', 'websocket', 'auto']) {
        await demo.at(`transport-${user}`).selectOption(transport);
        await demo.page.locator(`[data-testid="transport-${user}"]:not([aria-busy])`).waitFor();
        assert.equal(await demo.at(`transport-${user}`).inputValue(), transport);
        const name = transport === 'auto' ? 'websocket' : transport;
        await demo.sees(`state-${user}`, new RegExp(`^online by ${name}$`));
        await demo.someMore(user);
      }
    }
    await everyNumberOnce(demo);
    // Nobody is there twice, though who has polled is known to be gone by silence only.
    for (const user of ['ann', 'bob']) await demo.sees(`presence-${user}`, /^here:annbob$/);
    await demo.at('transport-ann').selectOption('poll');
    await demo.sees('state-ann', /^online by poll$/);
    await demo.at('door-ann').click();
    await demo.sees('presence-bob', /^here:bob$/);
    await demo.sees('state-ann', /^offline$/);
    await demo.at('door-ann').click();
    for (const user of ['ann', 'bob']) await demo.sees(`presence-${user}`, /^here:annbob$/);
  }));

test('who goes offline while the history is read reads it when back, and is told of no gap', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    demo.tolerated.push(GONE);
    let held = 0;
    await demo.page.route('**/send', (route) => (/"history"/.test(route.request().postData()) ? (held += 1) : route.continue()));
    await demo.at('transport-ann').selectOption('sse');
    await demo.frameBy(() => held, 'questions for the history');
    await demo.at('door-ann').click();
    await demo.sees('state-ann', /^offline$/);
    await demo.at('text-bob').fill('While you were away.');
    await demo.at('send-bob').click();
    await demo.page.unroute('**/send');
    await demo.at('door-ann').click();
    await demo.seesIn('talk-ann', 'said', 'While you were away.');
    assert.equal(await demo.at('talk-ann').getByText('may be missing').count(), 0);
  }));

for (const transport of ['websocket', 'sse', 'poll']) {
  test(`${transport}: a connection that is cut comes back with what was missed, and sends what was not sent`, (t) =>
    withDemo(t, {}, async (demo) => {
      await demo.open();
      for (const user of ['ann', 'bob']) {
        await demo.at(`transport-${user}`).selectOption(transport);
        await demo.sees(`state-${user}`, new RegExp(`^online by ${transport}$`));
      }
      await demo.at('count').click();
      for (const user of ['ann', 'bob', 'ann']) {
        await demo.someMore(user);
        await demo.at(`cut-${user}`).click();
      }
      await demo.someMore('ann');
      await everyNumberOnce(demo);
      await demo.sees('state-ann', new RegExp(`^online by ${transport}$`));
    }));
}

test('a slow network is late in both directions', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.page.clock.install();
    await demo.open();
    await demo.at('slow-ann').check();
    // From here on time stands still but for what is said below.
    await demo.page.clock.pauseAt(await demo.page.evaluate(() => Date.now() + 1000));
    await demo.at('text-bob').fill('Are you there?');
    await demo.at('send-bob').click();
    await demo.seesIn('talk-bob', 'said', 'Are you there?');
    await demo.page.clock.runFor(900);
    assert.equal(await demo.at('talk-ann').getByTestId('said').count(), 0);
    await demo.page.clock.runFor(100);
    await demo.seesIn('talk-ann', 'said', 'Are you there?');
    await demo.at('text-ann').fill('Yes.');
    await demo.at('send-ann').click();
    await demo.page.clock.runFor(900);
    assert.equal(await demo.at('talk-bob').getByTestId('said').count(), 1);
    await demo.page.clock.runFor(100);
    await demo.seesIn('talk-bob', 'said', 'Yes.');
  }));

test('a transport that does not get through is not gone over to', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.at('block-sse-ann').check();
    await demo.at('transport-ann').selectOption('sse');
    await demo.sees('talk-ann', /No way through by SSE/);
    assert.equal(await demo.at('transport-ann').inputValue(), 'auto');
    await demo.sees('state-ann', /^online by websocket$/);
    await demo.run('hello');
  }));

test('who types and who points is seen, costs nobody a message, and is kept nowhere', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.at('text-ann').pressSequentially('Hello');
    await demo.sees('typing-bob', /^ann is typing…$/);
    await demo.at('text-ann').press('Enter');
    await demo.sees('typing-bob', /^$/);
    const talk = await demo.at('talk-ann').boundingBox();
    for (let step = 1; step <= 20; step++) await demo.page.mouse.move(talk.x + talk.width / 2, talk.y + talk.height * (step / 40));
    await demo.sees('pointers-bob', /^ann$/);
    await demo.page.mouse.move(5, 5);
    await demo.sees('pointers-bob', /^$/);
    // Eight at once is what the abuse filter lets pass, and one is said.
    for (let n = 1; n <= 6; n++) {
      await demo.at('text-ann').fill(`Message ${n}`);
      await demo.at('text-ann').press('Enter');
      await demo.seesIn('talk-bob', 'said', `Message ${n}`);
    }
    await demo.open();
    for (const user of ['ann', 'bob']) assert.equal(await demo.at(`talk-${user}`).getByTestId('said').filter({ hasText: /Hello|Message/ }).count(), 7);
  }));
