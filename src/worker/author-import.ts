import { registerHooks } from 'node:module'
import { entryUrl } from '../module-url.ts'

const AUTHORS = entryUrl('./index.ts', import.meta.url).href

/**
 * From here on `import … from 'aries'` gives modules of this thread the Aries that runs them,
 * wherever they lie: authors need not install it beside them, nor in the same version.
 */
export function giveAuthorsAries(): void {
  registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier === 'aries' ? AUTHORS : specifier, context),
  })
}
