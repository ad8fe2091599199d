const settings = JSON.parse('{') as { text: string }

export default (): Response => new Response(settings.text)
