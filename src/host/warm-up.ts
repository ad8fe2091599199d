/**
 * Runs what Node has behind `Request` and `Response` for the first time: ten to twenty milliseconds of
 * processor time. A spare host takes them before it is needed: else all requests of a failover wait
 * for that.
 */
export function warmUp(): void {
  void new Request('http://127.0.0.1/', { method: 'POST', body: '' })
  void Response.json(null)
}
