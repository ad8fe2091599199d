import { stripVTControlCharacters, styleText } from 'node:util'
import { harmless } from './output.ts'

export interface Column {
  readonly title: string
  /** Numbers stand to the right. */
  readonly right?: boolean
  /** Letters; a longer cell is shortened in the middle. */
  readonly widthMax?: number
}

/** Rows under their titles, aligned, two spaces apart; no space at the end of a line. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { plain = false }: { readonly plain?: boolean } = {},
): string {
  const clean = rows.map((row) =>
    row.map((cell, index) =>
      shorten(harmless(cell).replaceAll('\n', ' '), columns[index]?.widthMax),
    ),
  )
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...clean.map((row) => widthOf(row[index] ?? ''))),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const pad = ' '.repeat(Math.max(0, widths[index]! - widthOf(cell)))
        return columns[index]?.right ? pad + cell : cell + pad
      })
      .join('  ')
      .trimEnd()
  const titles = line(columns.map((column) => column.title))
  return [...(titles === '' ? [] : [plain ? titles : bold(titles)]), ...clean.map(line)].join('\n')
}

/** Bold where the terminal can and NO_COLOR does not forbid it. */
export function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout })
}

function shorten(text: string, widthMax = Number.POSITIVE_INFINITY): string {
  if (text.length <= widthMax) return text
  const half = widthMax / 2
  return `${text.slice(0, half)}…${text.slice(1 - half)}`
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length
}
