// The running action's own list of envelopes, if one runs.

/** @type {{ add?: (user: string, way: 'sent' | 'received', envelope: any, at: number) => void }} */
export const trace = {};
