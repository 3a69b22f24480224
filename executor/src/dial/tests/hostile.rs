//! Spellings of hosts that no Job may call, for all the parsers there are.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What they mean: loopback, link-local with its metadata services, those elsewhere, nobody, everybody, many.
const DENIED: [Ipv4Addr; 8] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::BROADCAST,
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(224, 0, 0, 1),
];

/// What no number spells.
const OTHERS: [&str; 46] = [
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::1%25lo]",
    "[::1%lo]",
    "[::ffff:0:0]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fe80::a9fe:a9fe]",
    "[FE80::A9FE:A9FE]",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd00:0ec2:0:0:0:0:0:254]",
    "[fd20:ce::254]",
    "[fd00:c1::a9fe:a9fe]",
    "[fd00:42::42]",
    "[fd00:a9fe:a9fe::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "::1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "loc%61lhost",
    "loc\u{2090}lhost",
    "\u{24db}ocalhost",
    "l\u{1d45c}calhost",
    "a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "localtest.me",
    "rebind.example",
    "store.attacker.svc",
    "metadata",
    "metadata.google.internal",
    "METADATA.google.internal",
    "metadata.google.internal.",
    "metadata\u{3002}google\u{ff0e}internal",
    "metadata.goog",
    "instance-data.ec2.internal",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "Kubernetes.Default.Svc.Cluster.Local",
    "api.cluster.example",
];

/// All of them.
pub(super) fn hosts() -> Vec<String> {
    let numbers = DENIED.into_iter().flat_map(|address| {
        let inside_others = behind(&address.to_string());
        [numbers(address), letters(address), sixes(address), inside_others].concat()
    });
    numbers.chain(OTHERS.map(ToOwned::to_owned)).collect()
}

/// As `inet_aton` and its like take it.
fn numbers(address: Ipv4Addr) -> Vec<String> {
    let whole = u32::from(address);
    let [a, b, c, d] = address.octets();
    let (low, half) = (whole & 0xff_ffff, whole & 0xffff);
    vec![
        address.to_string(),
        whole.to_string(),
        format!("{whole:#x}"),
        format!("0X{whole:08X}"),
        format!("0{whole:o}"),
        format!("{}", u64::from(whole) + (1 << 32)),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a:#x}.0{b:o}.{c}.{d}"),
        format!("000{a:o}.{b}.{c}.{d}"),
        format!("{a:03}.{b:03}.{c:03}.{d:03}"),
        format!("{a}.{low}"),
        format!("{a}.{b}.{half}"),
        format!("{a:#x}.{low:#x}"),
        format!("{}.{b}.{c}.{d}", u16::from(a) + 256),
        format!("{address}."),
        format!("{address}.."),
    ]
}

/// In another alphabet, or escaped.
fn letters(address: Ipv4Addr) -> Vec<String> {
    let plain = address.to_string();
    let digits = |zero: u32| -> String {
        let other = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(zero + digit)).unwrap_or(c);
        plain.chars().map(other).collect()
    };
    let escaped = |c: char| format!("%{:02x}", u32::from(c));
    vec![
        digits(0xff10),
        digits(0x1d7ce),
        digits(0x0660),
        digits(0x2080),
        plain.replace('.', "\u{3002}"),
        plain.replace('.', "\u{ff0e}"),
        plain.replace('.', "\u{ff61}"),
        plain.replace('.', "%2e"),
        plain.replace('.', "%252E"),
        plain.chars().map(escaped).collect(),
        plain.replacen('.', "\u{200b}.", 1),
        plain.replacen('.', "\u{ad}.", 1),
        plain.replacen('.', "\t.", 1),
        plain.replacen('.', "\n.", 1),
    ]
}

/// Inside an address of IPv6.
fn sixes(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    let mapped = format!("::ffff:{high:x}:{low:x}");
    let written = [
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, high, c, d << 8, 0, 0),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0x5efe, high, low),
    ];
    let written = written.into_iter().flat_map(|it| [format!("[{it}]"), format!("[{}]", plain(it))]);
    let others = [
        format!("[{mapped}]"),
        format!("[{}]", mapped.to_uppercase()),
        format!("[::ffff:{address}]"),
        format!("[0:0:0:0:0:ffff:{address}]"),
        format!("[{mapped}%25eth0]"),
        format!("[{mapped}%eth0]"),
        format!("[{address}]"),
        format!("[v1.{address}]"),
        mapped,
    ];
    written.chain(others).collect()
}

/// Without the shorter forms.
fn plain(address: Ipv6Addr) -> String {
    address.segments().map(|segment| format!("{segment:04x}")).join(":")
}

/// Before, behind and beside a host that looks good.
fn behind(host: &str) -> Vec<String> {
    let good = "minio.storage.svc";
    vec![
        format!("{good}@{host}"),
        format!("{good}:443@{host}"),
        format!("{good}%40{host}"),
        format!("{good}#@{host}"),
        format!("{good}?@{host}"),
        format!("{good}\\@{host}"),
        format!("{host}#.{good}"),
        format!("{host}?.{good}"),
        format!("{host}/.{good}"),
        format!("{host}\\.{good}"),
        format!("{host}%00.{good}"),
        format!("{host}\0.{good}"),
        format!("{host} {good}"),
        format!("{host},{good}"),
        format!("{host}:80:{good}"),
        format!("{host}.nip.io"),
        format!("{}.sslip.io", host.replace('.', "-")),
    ]
}
