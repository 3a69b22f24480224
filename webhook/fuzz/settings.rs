//! An installation for whoever looks at reviews without a server: tests, the bench and the fuzz target.

use super::Settings;
use rules::Installation;
use rules::address::Networks;

pub(crate) fn settings() -> Settings {
    let installation = Installation {
        audience: "openbao-internal".to_owned(),
        executor_image: "recovery:1".to_owned(),
        restore_jwt_auth_role: None,
    };
    Settings { installation, networks: Networks::default() }
}
