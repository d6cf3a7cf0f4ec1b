(() => {
  const time = document.getElementById('time');
  if (!time) return;
  const at = document.getElementById('at'), play = document.getElementById('play');
  const newest = document.getElementById('newest'), position = document.getElementById('position');
  const frames = [...document.querySelectorAll('.frame')], full = newest.src;
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = 'Play'; };
  const show = index => {
    const picture = frames[index].querySelector('img');
    at.value = index;
    newest.src = index === frames.length - 1 ? full : picture.src;
    newest.alt = picture.alt;
    position.textContent = 'after ' + frames[index].querySelector('span').textContent + ' images';
    frames.forEach((frame, i) => frame.classList.toggle('shown', i === index));
    const strip = frames[index].closest('ol');
    strip.scrollLeft = frames[index].parentNode.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
  };
  at.addEventListener('input', () => { stop(); show(+at.value); });
  frames.forEach((frame, i) => frame.addEventListener('click', () => { stop(); show(i); }));
  play.addEventListener('click', () => {
    if (timer) return stop();
    play.textContent = 'Pause';
    let index = +at.value === frames.length - 1 ? -1 : +at.value;
    timer = setInterval(() => { show(++index); if (index === frames.length - 1) stop(); }, 250);
  });
  time.hidden = false;
  show(frames.length - 1);
})();
