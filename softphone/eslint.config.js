import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules", "dist"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // Fields of the API and of SIP keep their names; units are part of ours (`rtt_ms`).
      "@typescript-eslint/naming-convention": "off",
      // Index signatures of JSON are read as such.
      "@typescript-eslint/dot-notation": "off",
      eqeqeq: "error",
      "no-console": "error",
      "max-lines": ["error", { max: 400, skipBlankLines: true }],
      // A switch over the kinds of a thing is one thing.
      complexity: ["error", { max: 16, variant: "modified" }],
    },
  },
  {
    // A page draws: coordinates stand in paths as they are, and handlers are single calls.
    files: ["demo/**"],
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    // node:test's `test` gives a promise that the runner awaits.
    files: ["tests/**"],
    rules: { "@typescript-eslint/no-floating-promises": "off" },
  },
);
