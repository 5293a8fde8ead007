// Types are checked by tsc; this finds what a type checker does not: promises nobody awaits, casts that lie, unsafe patterns.
import { defineConfig } from 'eslint/config'
import { builtinRules } from 'eslint/use-at-your-own-risk'
import security from 'eslint-plugin-security'
import tseslint from 'typescript-eslint'

// The rules of @eslint/js recommended, read from ESLint itself: one package less.
const recommendedRules = Object.fromEntries(
  [...builtinRules].filter(([, rule]) => rule.meta.docs.recommended).map(([name]) => [name, 'error'])
)

// The plugin's rules are warnings by its own choice; a warning is a thing nobody reads.
const securityRules = Object.fromEntries(
  Object.keys(security.configs.recommended.rules).map((name) => [name, 'error'])
)

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', '.bench/', '.mutation/', '.tap/', '.data/', 'coverage/'] },
  {
    plugins: { security },
    linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' },
    rules: {
      ...recommendedRules,
      ...securityRules,
      // Pure noise: it marks every `table[key]`, and the keys here are typed; untrusted names go through a Map.
      'security/detect-object-injection': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'no-implicit-coercion': ['error', { allow: ['!!'] }],
      'no-param-reassign': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
        { selector: 'TSEnumDeclaration', message: 'Use a union or an `as const` table.' }
      ],
      'no-template-curly-in-string': 'error',
      'no-throw-literal': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      // Core's formatting rules are frozen, not gone; they spare a formatter for the few habits that matter in a diff.
      'brace-style': ['error', '1tbs', { allowSingleLine: true }],
      'comma-dangle': ['error', 'never'],
      'eol-last': 'error',
      'keyword-spacing': 'error',
      'no-multiple-empty-lines': ['error', { max: 1, maxEOF: 0 }],
      'no-tabs': 'error',
      'no-trailing-spaces': 'error',
      quotes: ['error', 'single', { avoidEscape: true }],
      semi: ['error', 'never', { beforeStatementContinuationChars: 'always' }],
      'space-before-function-paren': ['error', 'always'],
      'space-infix-ops': 'error'
    }
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false }
      ],
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // `void promise` is the one way to say that nobody waits.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      // A Fastify plugin or handler is async to be awaited, not because it awaits.
      '@typescript-eslint/require-await': 'off',
      // Options come from JavaScript callers too: what the types promise is checked at boot all the same.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Methods here are closures; nothing reads `this`.
      '@typescript-eslint/unbound-method': 'off',
      // It proposes `!`, which no-non-null-assertion forbids.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // `Readonly<PrincipalAttributes>` is empty here and filled by whoever augments it.
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      // Text is spread into code points on purpose; spreading an instance is what `members` of an error are for.
      '@typescript-eslint/no-misused-spread': 'off',
      // The type checker knows these better.
      'no-throw-literal': 'off',
      'no-undef': 'off',
      'no-unused-vars': 'off'
    }
  },
  {
    files: ['credentials/key-file.ts', 'stores/sqlite.ts'],
    // Their paths come from the service's own options, never from a request.
    rules: { 'security/detect-non-literal-fs-filename': 'off' }
  },
  {
    files: ['test/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    rules: {
      'no-console': 'off',
      // tap collects the promise of a subtest itself; any other floating promise is an assertion that never ran.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          ignoreVoid: true,
          allowForKnownSafePromises: [{ from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }]
        }
      ],
      // `response.json()` is any by nature, and asserting on it is the check.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/restrict-plus-operands': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
      // Tests attack: they write the bad regex, spawn the process and compare the secret on purpose.
      'security/detect-child-process': 'off',
      'security/detect-non-literal-fs-filename': 'off',
      'security/detect-non-literal-regexp': 'off',
      'security/detect-possible-timing-attacks': 'off',
      'security/detect-unsafe-regex': 'off'
    }
  },
  {
    // What a browser runs
    files: ['pages/assets/*.js'],
    languageOptions: { globals: { document: 'readonly', location: 'readonly', history: 'readonly', navigator: 'readonly', addEventListener: 'readonly' } }
  },
  { files: ['cli/**/*.ts', 'server.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/*.{js,cjs,mjs}'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', module: 'writable', URL: 'readonly' } },
    rules: { 'no-console': 'off', 'no-restricted-syntax': 'off', 'security/detect-non-literal-fs-filename': 'off' }
  }
)
