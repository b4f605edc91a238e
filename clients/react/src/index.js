// The package `@sluicegate/react`: a client of Sluicegate for components.

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useSyncExternalStore } from 'react';

import { NOBODY, NOTHING_YET, storesOf } from './stores.js';

/**
 * @typedef {import('@sluicegate/client').Client} Client
 * @typedef {import('@sluicegate/client').ChannelOptions} ChannelOptions
 * @typedef {import('@sluicegate/client').Member} Member
 * @typedef {import('@sluicegate/client').PublishOptions} PublishOptions
 * @typedef {import('@sluicegate/client').Published} Published
 * @typedef {import('./stores.js').ChannelView} ChannelView
 *
 * @typedef {ChannelOptions & { limit?: number, history?: number }} UseChannelOptions `limit`: messages that are kept at most, 200 unless
 *   given; `history`: so many that were said before are read at first. They count for a channel's first `useChannel`
 */

/** @type {import('react').Context<Client | undefined>} */
const ClientContext = createContext(/** @type {Client | undefined} */ (undefined));

/**
 * Gives a client to the components in it, and connects it once it is on a page. Who made the client ends it.
 *
 * @param {{ client: Client, children?: import('react').ReactNode }} props
 */
export function SluicegateProvider({ client, children }) {
  useEffect(() => {
    // What fails is an event of the client.
    if (client.state === 'disconnected') client.connect().catch(() => {});
  }, [client]);
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** The client of the provider around. @returns {Client} */
export function useClient() {
  const client = useContext(ClientContext);
  if (!client) throw new Error('there is no <SluicegateProvider client> around this component');
  return client;
}

/**
 * Subscribes while a component is there that wants it.
 *
 * @param {string} name
 * @param {UseChannelOptions} [options]
 * @returns {ChannelView & { publish: (data: any, options?: PublishOptions) => Promise<Published> }}
 */
export function useChannel(name, options) {
  const client = useClient();
  const room = client.channel(name, options);
  const channel = storesOf(room).channel(options);
  const view = useSyncExternalStore(channel.subscribe, channel.snapshot, () => NOTHING_YET);
  const publish = useCallback((/** @type {any} */ data, /** @type {PublishOptions | undefined} */ more) => room.publish(data, more), [room]);
  return useMemo(() => ({ ...view, publish }), [view, publish]);
}

/**
 * Who is in a channel, one entry for each session. Changes come in channels with `join_leave`.
 *
 * @param {string} name
 * @returns {Member[]}
 */
export function usePresence(name) {
  const { presence } = storesOf(useClient().channel(name));
  return useSyncExternalStore(presence.subscribe, presence.snapshot, () => NOBODY);
}

/**
 * Who types in a channel, without oneself: by user name, or by session where there is none. `start` belongs to each key stroke.
 *
 * @param {string} name
 * @returns {{ users: string[], start: () => void, stop: () => void }}
 */
export function useTyping(name) {
  const room = useClient().channel(name);
  const { typing } = storesOf(room);
  const users = useSyncExternalStore(typing.subscribe, typing.snapshot, () => NOBODY);
  return useMemo(() => ({ users, start: () => room.typing().start(), stop: () => room.typing().stop() }), [users, room]);
}

/** @returns {"disconnected" | "connecting" | "connected"} */
export function useConnectionState() {
  const client = useClient();
  const subscribe = useCallback((/** @type {() => void} */ listener) => client.on('state', listener), [client]);
  return useSyncExternalStore(subscribe, () => client.state, () => 'disconnected');
}
