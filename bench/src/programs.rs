//! The programs side by side, each with one worker, and their configs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Folder, free_port};

/// A program to start, and the port it will serve on.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) port: u16,
}

/// The origin: nginx with one worker; None when it is not installed. `/hit` may be stored, `/pass` may not; both are 1 KiB.
pub(crate) fn origin(folder: &Folder) -> Result<Option<Program>, String> {
    let Some(nginx) = installed("nginx") else { return Ok(None) };
    let port = free_port()?;
    let root = folder.path().join("root");
    std::fs::create_dir_all(&root).map_err(|error| error.to_string())?;
    for file in ["hit", "pass"] {
        folder.write(&format!("root/{file}"), &"x".repeat(1024))?;
    }
    let config = folder.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {here}/nginx.pid; error_log stderr error;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; default_type text/plain;\n\
             client_body_temp_path {here}/b; proxy_temp_path {here}/p; fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n\
             server {{ listen 127.0.0.1:{port} backlog=4096; root {here}/root;\n\
             location = /hit {{ add_header Cache-Control max-age=3600; }}\n\
             location = /pass {{ add_header Cache-Control no-store; }} }} }}\n",
            here = folder.path().display()
        ),
    )?;
    let arguments = vec!["-c".to_owned(), config, "-p".to_owned(), folder.path().display().to_string()];
    Ok(Some(Program { name: "nginx", path: nginx, arguments, port }))
}

/// HAProxy with one thread and its cache; None when it is not installed.
pub(crate) fn haproxy(folder: &Folder, origin: u16) -> Result<Option<Program>, String> {
    let Some(path) = installed("haproxy") else { return Ok(None) };
    let port = free_port()?;
    let config = folder.write(
        "haproxy.cfg",
        &format!(
            "global\n  nbthread 1\n  maxconn 8192\n\
             defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 3s\n  timeout http-keep-alive 60s\n\
             cache small\n  total-max-size 64\n  max-object-size 100000\n  max-age 3600\n\
             frontend in\n  bind 127.0.0.1:{port}\n  option forwardfor\n  default_backend out\n\
             backend out\n  http-request cache-use small\n  http-response cache-store small\n  http-reuse always\n  server origin 127.0.0.1:{origin}\n"
        ),
    )?;
    let arguments = vec!["-db".to_owned(), "-f".to_owned(), config];
    Ok(Some(Program { name: "haproxy", path, arguments, port }))
}

/// Selvedge with one thread, no limits, no access log: what HAProxy is asked to do.
pub(crate) fn selvedge(folder: &Folder, named: Option<PathBuf>, origin: u16) -> Result<Program, String> {
    let path = selvedge_at(named)?;
    let port = free_port()?;
    let config = folder.write(
        "selvedge.toml",
        &format!(
            "[listen]\nhttp = [\"127.0.0.1:{port}\"]\nthreads = 1\n[admin]\nsocket = \"admin.sock\"\nlog = \"off\"\n\
             [storage]\nmemory = \"64MiB\"\n[origin.app]\nservers = [\"127.0.0.1:{origin}\"]\n[site.\"*\"]\norigin = \"app\"\n"
        ),
    )?;
    let arguments = vec!["run".to_owned(), "--config".to_owned(), config];
    Ok(Program { name: "selvedge", path, arguments, port })
}

/// Varnish with so many bytes of memory; None when it is not installed.
pub(crate) fn varnish(folder: &Folder, origin: u16, bytes: u64) -> Result<Option<Program>, String> {
    let Some(path) = installed("varnishd") else { return Ok(None) };
    let port = free_port()?;
    let home = folder.path().join("varnish").display().to_string();
    let [listen, origin] = [port, origin].map(|port| format!("127.0.0.1:{port}"));
    let store = format!("malloc,{bytes}");
    let arguments = ["-F", "-a", &listen, "-b", &origin, "-s", &store, "-n", &home, "-T", "none"].map(str::to_owned);
    Ok(Some(Program { name: "varnish", path, arguments: arguments.to_vec(), port }))
}

/// The selvedge binary: the one that is named, or the one beside this program.
pub(crate) fn selvedge_at(named: Option<PathBuf>) -> Result<PathBuf, String> {
    let beside = || std::env::current_exe().ok().map(|here| here.with_file_name("selvedge"));
    let path = named.or_else(beside).filter(|path| path.exists());
    path.ok_or_else(|| "no selvedge binary beside this program: build it, or name it with --selvedge".to_owned())
}

pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]).map(|folder| folder.join(name));
    found.into_iter().find(|path: &PathBuf| Path::is_file(path))
}

/// A load by wrk: 64 connections that are kept, one thread; each request has these fields.
pub(crate) fn wrk(program: &Path, port: u16, (path, fields): (&str, &[&str]), seconds: u64) -> Result<String, String> {
    let output = Command::new(program)
        .args(["-t1", "-c64", &format!("-d{seconds}s"), &format!("http://127.0.0.1:{port}{path}")])
        .args(fields.iter().flat_map(|field| ["-H", *field]))
        .output()
        .map_err(|error| format!("wrk: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
