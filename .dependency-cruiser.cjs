/**
 * Who may import whom. Each room lists the rooms that it may use; itself is always allowed. `types` are rooms of which only types may be
 * imported, which leaves nothing at run time.
 */
const ROOMS = {
  manifest: { uses: [] },
  domain: { uses: ['manifest'] },
  database: { uses: ['domain', 'manifest'] },
  activities: { uses: ['database', 'domain', 'manifest'] },
  workflows: { uses: ['domain'], types: ['activities', 'manifest'] },
  worker: { uses: ['activities', 'workflows', 'client', 'database', 'domain', 'manifest'] },
  client: { uses: ['domain', 'database', 'manifest'], types: ['workflows'] },
  cli: { uses: ['client', 'manifest'], types: ['domain'] },
  examples: { uses: ['manifest'] },
};
const all = [...Object.keys(ROOMS), 'scripts', 'test'];
const inside = (rooms) => `^(${rooms.join('|')})/`;

const rules = Object.entries(ROOMS).flatMap(([room, { uses, types = [] }]) => {
  const values = all.filter((other) => other !== room && !uses.includes(other));
  const nothing = values.filter((other) => !types.includes(other));
  // The command that runs a worker is where the two programs meet.
  const exception = room === 'cli' ? { pathNot: '^cli/commands/worker\\.ts$' } : {};
  const typesOnly = values.filter((other) => types.includes(other));
  return [
    { name: `${room}-imports`, severity: 'error', from: { path: inside([room]), ...exception }, to: { path: inside(nothing) } },
    ...(typesOnly.length === 0
      ? []
      : [
          {
            name: `${room}-imports-types-only`,
            severity: 'error',
            from: { path: inside([room]) },
            to: { path: inside(typesOnly), dependencyTypesNot: ['type-only'] },
          },
        ]),
  ];
});

module.exports = {
  forbidden: [
    ...rules,
    {
      name: 'cli-worker-command',
      comment: 'The exception covers the worker and nothing else.',
      severity: 'error',
      from: { path: '^cli/commands/worker\\.ts$' },
      to: { path: inside(all.filter((room) => !['cli', 'client', 'manifest', 'domain', 'worker'].includes(room))) },
    },
    // Types may refer to each other in a circle; values may not.
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-development-packages',
      comment: 'What is deployed must not need what only development installs.',
      severity: 'error',
      from: { path: inside(Object.keys(ROOMS)) },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'type-only'] },
    },
    {
      name: 'no-packages-in-workflows',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { dependencyTypes: ['npm'], dependencyTypesNot: ['type-only'], pathNot: 'node_modules/@temporalio/(workflow|common)/' },
    },
    {
      name: 'pure-rooms-do-no-io',
      comment: 'Hashing and paths are computation; loading files is the one thing that the manifest room does.',
      severity: 'error',
      from: { path: '^domain/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|path|util|url)$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.probity)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    // Otherwise imports of types, which are erased, would not be seen at all.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
