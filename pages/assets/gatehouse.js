// What is nicer with a script; every page works without it.

/** A message about what was done, or a secret, belongs to one view: reloading neither repeats nor resends it. */
const here = new URL(location.href)
const home = document.querySelector('[data-secret]') === null ? null : document.querySelector('main a.button')?.getAttribute('href')
if (here.searchParams.has('done') || home) {
  here.searchParams.delete('done')
  history.replaceState(null, '', home ?? here)
}

for (const time of document.querySelectorAll('time[datetime]')) {
  const moment = new Date(time.dateTime)
  time.title = moment.toISOString()
  time.textContent = moment.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

for (const button of document.querySelectorAll('[data-copy]')) {
  const field = document.getElementById(button.dataset.copy)
  const result = document.querySelector('[data-copied]')
  button.hidden = false
  button.addEventListener('click', async () => {
    field.select()
    try {
      await navigator.clipboard.writeText(field.value)
      result.textContent = 'Copied.'
    } catch {
      result.textContent = 'It could not be copied. It is selected: copy it with your keyboard.'
    }
  })
}

// Escape closes an open question, and gives the focus back to what opened it.
addEventListener('keydown', (event) => {
  const open = event.key === 'Escape' ? event.target.closest?.('details.ask[open]') : null
  if (open === null) return
  open.open = false
  open.querySelector('summary').focus()
})
