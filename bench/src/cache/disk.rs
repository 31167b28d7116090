//! What a hit on the disk costs beside nginx's `proxy_cache`, both files in memory by then, both with one worker.

use std::path::PathBuf;
use std::time::Duration;

use crate::figures::{Figures, median, rounded};
use crate::programs::{Program, installed, origin, selvedge_at};
use crate::server::{Folder, Server, free_port, load};

/// The object, bytes.
const LARGE: usize = 1 << 20;

/// CPU microseconds for each request for a stored object of 1 MiB, in turns within one run.
pub(super) fn measure(named: Option<PathBuf>, rounds: usize, seconds: u64) -> Result<Figures, String> {
    let folder = Folder::new()?;
    let (Some(origin), Some(wrk)) = (origin(&folder)?, installed("wrk")) else {
        eprintln!("nginx or wrk is not installed: `disk` is left out");
        return Ok(Figures::default());
    };
    folder.write("root/large", &"x".repeat(LARGE))?;
    let from = Server::start(&folder, &origin)?;
    let programs = [
        selvedge(&folder, named, from.port)?,
        nginx(&folder, &origin.path, from.port, "on")?,
        nginx(&folder, &origin.path, from.port, "off")?,
    ];
    let servers: Vec<Server> =
        programs.iter().map(|program| Server::start(&folder, program)).collect::<Result<_, _>>()?;
    let mut micros = [Vec::new(), Vec::new(), Vec::new()];
    // The first load of each fills its cache and is not counted.
    for round in 0..=rounds {
        let over = Duration::from_secs(if round == 0 { 1 } else { seconds });
        for (server, micros) in servers.iter().zip(&mut micros) {
            let taken = load(&wrk, server, "/large", over)?;
            if round > 0 {
                micros.push(taken);
            }
        }
    }
    let mut group = Figures::default();
    let [ours, sendfile, read] = micros.map(median);
    if let (Some(ours), Some(sendfile), Some(read)) = (ours, sendfile, read) {
        group.add("ours_us", rounded(ours));
        group.add("nginx_us", rounded(sendfile));
        group.add("nginx_without_sendfile_us", rounded(read));
        group.add("disk_1m_over_nginx", rounded(ours / sendfile));
        group.add("disk_1m_over_nginx_without_sendfile", rounded(ours / read));
    }
    Ok(group)
}

/// Selvedge with one thread and so little memory that the object is on the disk alone.
fn selvedge(folder: &Folder, named: Option<PathBuf>, origin: u16) -> Result<Program, String> {
    let path = selvedge_at(named)?;
    let port = free_port()?;
    let config = folder.write(
        "disk.toml",
        &format!(
            "[listen]\nhttp = [\"127.0.0.1:{port}\"]\nthreads = 1\n[admin]\nsocket = \"disk.sock\"\nlog = \"off\"\n\
             [storage]\nmemory = \"32MiB\"\nobject_max = \"512KiB\"\nstate = \"state\"\n\
             disk = {{ path = \"cache\", size = \"1GiB\" }}\n\
             [origin.app]\nservers = [\"127.0.0.1:{origin}\"]\n[site.\"*\"]\norigin = \"app\"\n\
             [[rule]]\nname = \"keep\"\ndo = {{ cache = {{ ttl = \"1h\" }} }}\n"
        ),
    )?;
    let arguments = vec!["run".to_owned(), "--config".to_owned(), config];
    Ok(Program { name: "selvedge", path, arguments, port })
}

/// nginx with one worker and a cache on the disk.
fn nginx(folder: &Folder, path: &std::path::Path, origin: u16, sendfile: &str) -> Result<Program, String> {
    let port = free_port()?;
    let here = folder.path().join(format!("nginx-{sendfile}"));
    std::fs::create_dir_all(&here).map_err(|error| error.to_string())?;
    let here = here.display().to_string();
    let config = folder.write(
        &format!("nginx-{sendfile}/nginx.conf"),
        &format!(
            "daemon off; master_process off; pid {here}/nginx.pid; error_log stderr error;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; sendfile {sendfile}; tcp_nopush on;\n\
             client_body_temp_path {here}/b; proxy_temp_path {here}/p; fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n\
             proxy_cache_path {here}/c levels=1:2 keys_zone=c:10m max_size=1g;\n\
             server {{ listen 127.0.0.1:{port} backlog=4096;\n\
             location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache c; proxy_cache_valid 200 1h; }} }} }}\n"
        ),
    )?;
    let arguments = vec!["-c".to_owned(), config, "-p".to_owned(), here];
    Ok(Program { name: "nginx", path: path.to_owned(), arguments, port })
}
