//! Where the POPs are: a network namespace each, all on one bridge; or loopback, where no namespace may be made.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use tokio::process::Command;

/// The bridge's network: TEST-NET-2 (RFC 5737) goes nowhere else.
const NET: [u8; 3] = [198, 51, 100];

/// The bridge's own address, where relays, origin and load are.
const HUB: u8 = 254;

pub(crate) struct Place {
    /// What the namespaces and the bridge are called; none on loopback.
    name: Option<String>,
    pops: usize,
}

impl Place {
    /// Makes a namespace for each POP, or falls back to loopback.
    pub(crate) async fn make(pops: usize) -> Place {
        let name = format!("sv{}", std::process::id());
        let mut place = Place { name: Some(name.clone()), pops };
        let mut lines = vec![
            format!("link add {name} type bridge"),
            format!("addr add {}/24 dev {name}", address(HUB)),
            format!("link set {name} up"),
        ];
        for pop in 0..pops {
            let (space, near) = (format!("{name}-{pop}"), format!("{name}p{pop}"));
            lines.extend([
                format!("netns add {space}"),
                format!("link add {near} type veth peer name eth0 netns {space}"),
                format!("link set {near} master {name} up"),
                format!("-n {space} addr add {}/24 dev eth0", address(host(pop))),
                format!("-n {space} link set eth0 up"),
                format!("-n {space} link set lo up"),
            ]);
        }
        for line in lines {
            if let Err(error) = ip(&line).await {
                println!("no namespaces (ip {line}: {error}); on loopback instead");
                place.clean();
                place.name = None;
                break;
            }
        }
        place
    }

    pub(crate) fn describe(&self) -> &'static str {
        match self.name {
            Some(_) => "each in a network namespace of its own",
            None => "on loopback",
        }
    }

    pub(crate) fn pops(&self) -> usize {
        self.pops
    }

    /// Where relays and the origin listen.
    pub(crate) fn hub(&self) -> IpAddr {
        if self.name.is_some() { address(HUB) } else { Ipv4Addr::LOCALHOST.into() }
    }

    /// An address of a POP that nobody listens on; `port` where it has addresses of its own.
    pub(crate) fn of(&self, pop: usize, port: u16) -> SocketAddr {
        match self.name {
            Some(_) => SocketAddr::new(address(host(pop)), port),
            None => {
                let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
                free.unwrap_or_else(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            }
        }
    }

    /// How a program is started at a POP.
    pub(crate) fn command(&self, pop: usize, program: &std::path::Path) -> Command {
        match &self.name {
            // `ip` becomes the program: its process is the POP's.
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &format!("{name}-{pop}")]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    fn clean(&self) {
        let Some(name) = &self.name else { return };
        let spaces = (0..self.pops).map(|pop| vec!["netns".to_owned(), "del".to_owned(), format!("{name}-{pop}")]);
        for args in spaces.chain([vec!["link".to_owned(), "del".to_owned(), name.clone()]]) {
            let _ = std::process::Command::new("ip").args(args).output();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clean();
    }
}

fn host(pop: usize) -> u8 {
    u8::try_from(pop + 1).unwrap_or(HUB - 1)
}

fn address(host: u8) -> IpAddr {
    let [a, b, c] = NET;
    Ipv4Addr::new(a, b, c, host).into()
}

async fn ip(line: &str) -> Result<(), String> {
    let output = Command::new("ip").args(line.split(' ')).output().await.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}
