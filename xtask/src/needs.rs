//! Programs that the tests need and cargo does not bring. As root on Debian they are installed; elsewhere the error
//! is the command to run. Nothing is skipped because a program is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// A program, and its Debian packages.
pub(crate) struct Need {
    pub program: &'static str,
    pub packages: &'static [&'static str],
}

pub(crate) const C_COMPILER: Need = Need {
    program: "cc",
    packages: &["gcc", "libc6-dev"],
};
/// With a font: headless Chromium without one draws empty boxes.
pub(crate) const CHROMIUM: Need = Need {
    program: "chromium",
    packages: &["chromium", "fonts-dejavu-core"],
};
/// Spoken to by a protocol of its own, so that no patched build is needed.
pub(crate) const FIREFOX: Need = Need {
    program: "firefox-esr",
    packages: &["firefox-esr"],
};
pub(crate) const NODE: Need = Need {
    program: "node",
    packages: &["nodejs"],
};
pub(crate) const NPM: Need = Need {
    program: "npm",
    packages: &["npm"],
};
/// Sentinels and clusters are this program as well. The tests start their own on ports of their own, so it does not
/// matter whether the package starts one as a service.
pub(crate) const REDIS: Need = Need {
    program: "redis-server",
    packages: &["redis-server"],
};
/// Proxies that the tests start in front of the broker, each on ports of its own.
pub(crate) const NGINX: Need = Need {
    program: "nginx",
    packages: &["nginx"],
};
/// A module of nginx rather than a program, which is built for the same nginx.
pub(crate) const NCHAN: Need = Need {
    program: "nchan for nginx",
    packages: &["nginx", "libnginx-mod-nchan"],
};
pub(crate) const HAPROXY: Need = Need {
    program: "haproxy",
    packages: &["haproxy"],
};
pub(crate) const CADDY: Need = Need {
    program: "caddy",
    packages: &["caddy"],
};
pub(crate) const OPENSSL: Need = Need {
    program: "openssl",
    packages: &["openssl"],
};
pub(crate) const PYTHON: Need = Need {
    program: "python3",
    packages: &["python3"],
};
/// A module rather than a program: Debian packs it apart from Python itself.
pub(crate) const PYTHON_VENV: Need = Need {
    program: "python3 -m venv",
    packages: &["python3-venv"],
};
/// For a client with Go's own TLS.
pub(crate) const GO: Need = Need {
    program: "go",
    packages: &["golang-go"],
};
/// With the certificates that it checks servers by.
pub(crate) const CURL: Need = Need {
    program: "curl",
    packages: &["curl", "ca-certificates"],
};
pub(crate) const BZIP2: Need = Need {
    program: "bzip2",
    packages: &["bzip2"],
};
pub(crate) const MUSL: Need = Need {
    program: "musl-gcc",
    packages: &["musl-tools"],
};
pub(crate) const REDIS_BENCHMARK: Need = Need {
    program: "redis-benchmark",
    packages: &["redis-tools"],
};
pub(crate) const TASKSET: Need = Need {
    program: "taskset",
    packages: &["util-linux"],
};

/// Where Debian's nginx looks for `modules/`.
const NGINX_MODULES: &str = "/usr/share/nginx/modules";

/// Makes sure that every program is there.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if !(Path::new("/etc/debian_version").exists() && is_root()) {
        let programs: Vec<&str> = missing.iter().map(|need| need.program).collect();
        bail!(
            "missing: {}. On Debian and Ubuntu: sudo apt-get update && sudo apt-get install -y {}",
            programs.join(", "),
            packages.join(" ")
        );
    }
    shell::run(Command::new("apt-get").arg("update"))?;
    shell::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "--no-install-recommends"])
            .args(&packages),
    )?;
    match missing.iter().find(|need| !need.is_there()) {
        Some(need) => bail!(
            "installed {} and still found no {}",
            need.packages.join(" "),
            need.program
        ),
        None => Ok(()),
    }
}

// === impl Need ===

impl Need {
    fn is_there(&self) -> bool {
        if self.program == PYTHON_VENV.program {
            // `venv` itself exists without the package; the part that installs pip does not.
            let import = Command::new("python3").args(["-c", "import ensurepip"]).output();
            return import.is_ok_and(|import| import.status.success());
        }
        if self.program == NCHAN.program {
            return Path::new(NGINX_MODULES).join("ngx_nchan_module.so").is_file();
        }
        on_path(self.program)
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers in folders that are not on everybody's path.
    let servers = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(servers)
        .any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_or_missed() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }
}
