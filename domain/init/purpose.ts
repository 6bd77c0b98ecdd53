/** The placeholder that every drafted table names until somebody says why its data is there. */
export const UNREVIEWED = 'unreviewed';
