//! An authority and certificates, good ones and wrong ones, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    pub fn new(dir: &Path) -> Self {
        let made = Self { dir: dir.to_owned() };
        made.authority("ca");
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn authority(&self, name: &str) {
        self.run(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN={name}' \
             -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign \
             -keyout {name}.key -out {name}.pem"
        ));
    }

    /// `NAME.pem` and `NAME.key`, signed by an authority, for an address, valid for so many days.
    pub fn issue(&self, name: &str, authority: &str, address: &str, days: u32) {
        self.run(&format!(
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN={name}' -keyout {name}.key \
             -out {name}.csr\n\
             printf 'subjectAltName=IP:{address}\\nbasicConstraints=CA:false\\n' >{name}.ext\n\
             openssl x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days {days} \
             -extfile {name}.ext -out {name}.pem"
        ));
    }

    /// One that signs itself, as it comes without further words.
    pub fn self_signed(&self, name: &str, address: &str) {
        self.run(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN={name}' \
             -addext subjectAltName=IP:{address} -keyout {name}.key -out {name}.pem"
        ));
    }

    fn run(&self, script: &str) {
        let output = Command::new("sh").args(["-ec", script]).current_dir(&self.dir).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
