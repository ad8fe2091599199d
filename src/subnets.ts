import { BlockList, isIP } from 'node:net'

const BITS = { 4: 32, 6: 128 } as const

/** Whether `text` is an IP address, or a subnet as in `10.0.0.0/8`. */
export function isSubnet(text: string): boolean {
  const [address = '', bits, more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= BITS[family as 4 | 6])
}

/** A list that tells whether an address is in one of `subnets`; see `isSubnet`. */
export function subnetsOf(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [address = '', bits] = subnet.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
