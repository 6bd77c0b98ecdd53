import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const clock = [
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'No clock here: take the time as data.' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'No clock here: take the time as data.' },
  { selector: "CallExpression[callee.name='Date']", message: 'No clock here: take the time as data.' },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'No randomness here: take it as data.' },
  {
    selector: "CallExpression[callee.object.name='DateTime'][callee.property.name=/^(now|local|utc)$/][arguments.length=0]",
    message: 'No clock here: take the time as data.',
  },
];

/** What would make a workflow non-deterministic, or its bundle large: five times the memory per cached workflow for zod alone. */
const workflowImports = {
  paths: ['kysely', 'pg', 'pg-copy-streams', 'zod', 'yaml', '@temporalio/client', '@temporalio/worker', '@temporalio/activity'].map(
    (name) => ({
      name,
      message: 'Not in workflow code.',
      allowTypeImports: true,
    }),
  ),
  patterns: [
    {
      group: ['node:*', '**/database/**', '**/client/**', '**/worker/**', '**/cli/**', '**/activities/**', '**/manifest/**'],
      message: 'Workflow code may take types from there, no values.',
      allowTypeImports: true,
    },
  ],
};

export default defineConfig(
  { ignores: ['node_modules/', 'dist/', '.probity/', 'docs/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false, properties: false } }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      // With noUncheckedIndexedAccess the alternative, in a loop over indices, is a branch that no test can reach.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Temporal's and our own interfaces ask for promises where there is nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    },
  },
  // These talk to a person at a terminal.
  { files: ['cli/**/*.ts', 'scripts/**/*.ts', 'worker/main.ts', 'test/**/*.ts'], rules: { 'no-console': 'off' } },
  { files: ['domain/**/*.ts', 'manifest/**/*.ts'], rules: { 'no-restricted-syntax': ['error', ...clock] } },
  { files: ['workflows/**/*.ts'], rules: { '@typescript-eslint/no-restricted-imports': ['error', workflowImports] } },
);
