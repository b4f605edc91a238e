// The package `@sluicegate/client`: what its users import.

export { Channel } from './channel.js';
export { Client } from './client.js';
export { SluicegateError } from './error.js';
export { Typing } from './typing.js';
/**
 * @template [Data=any]
 * @typedef {import('./message.js').Message<Data>} Message
 */
/**
 * @typedef {import('./options.js').ClientOptions} ClientOptions
 * @typedef {import('./channel.js').ChannelOptions} ChannelOptions
 * @typedef {import('./channel.js').PublishOptions} PublishOptions
 * @typedef {import('./channel.js').Published} Published
 * @typedef {import('./history.js').HistoryOptions} HistoryOptions
 * @typedef {import('./history.js').Page} Page
 * @typedef {import('./message.js').Position} Position
 * @typedef {import('./message.js').Member} Member
 * @typedef {import('./message.js').Gap} Gap
 */
