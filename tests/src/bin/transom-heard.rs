//! A program that tells by its title what it hears of scrolling, gestures and pens. Of events that
//! differ only by their numbers the title has the last.

use std::{env, error::Error, os::unix::net::UnixStream, path::PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use transom_tests::fixture::Client;

const SIZE: (i32, i32) = (400, 300);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).ok_or("no XDG_RUNTIME_DIR")?;
    let socket = UnixStream::connect(runtime.join(env::var("WAYLAND_DISPLAY")?))?;
    let watched = socket.try_clone()?;
    let mut client = Client::new(socket);
    let wait = |client: &mut Client| -> Result<(), Box<dyn Error>> {
        client.dispatch();
        poll(&mut [PollFd::new(&watched, PollFlags::IN)], None)?;
        client.dispatch();
        client.error.take().map_or(Ok(()), |error| Err(error.into()))
    };
    while !client.heard.globals.contains_key("wp_viewporter") || !client.heard.globals.contains_key("wl_seat")
    {
        wait(&mut client)?;
    }
    client.listen();
    client.listen_to_gestures();
    client.listen_to_tablets();
    let window = client.toplevel("heard");
    while !client.windows()[window].configured {
        wait(&mut client)?;
    }
    client.show(window, SIZE, 0xff20_4060);
    let mut told: Vec<String> = Vec::new();
    loop {
        wait(&mut client)?;
        for line in client.take_said() {
            let words = |line: &str| line.split(|c: char| c.is_ascii_digit()).next().map(str::to_owned);
            match told.iter_mut().find(|old| words(old) == words(&line)) {
                Some(old) => *old = line,
                None => told.push(line),
            }
        }
        let title = [&["heard".to_owned()][..], &told].concat().join("; ");
        client.windows()[window].toplevel.set_title(title);
        client.dispatch();
    }
}
