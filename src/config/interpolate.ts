export type Environment = Readonly<Record<string, string | undefined>>

const PLACEHOLDER = /\$\$\{|\$\{([^}]*)\}?/g
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/

const MALFORMED = `\`$\{\` begins neither \`$\{VAR}\` nor \`$\{VAR:-default}\`; write \`$$\{\` for itself`

export interface Interpolated {
  readonly text: string
  /** What could not be filled in; never holds a value of the environment. */
  readonly problems: readonly string[]
}

/**
 * Fills in `${VAR}` and `${VAR:-default}` (the default counts when VAR is unset or empty, as in a
 * shell); `$${` stands for `${` itself. It works on parsed scalars, so that no value of the
 * environment can change the structure of the file.
 */
export function interpolate(text: string, env: Environment): Interpolated {
  const problems: string[] = []
  const filled = text.replace(PLACEHOLDER, (whole, inside: string | undefined) => {
    if (whole === '$${') return '${'
    const match = whole.endsWith('}') ? INSIDE.exec(inside ?? '') : null
    if (!match) {
      problems.push(MALFORMED)
      return ''
    }
    const [, name, fallback] = match
    const value = env[name!]
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) {
      problems.push(`the environment has no ${name}; set it, or write \`\${${name}:-default}\``)
    }
    return value ?? ''
  })
  return { text: filled, problems }
}
