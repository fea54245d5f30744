//! The separate clouds of Azure.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cloud {
    /// Where tokens are given out.
    /// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
    pub(super) authority: &'static str,
    /// What they are for. (The newer `https://ai.azure.com` is for Foundry alone; this one is taken by both.)
    pub(super) resource: &'static str,
}

impl Cloud {
    /// The cloud that a resource lives in, told by its host name.
    pub(super) fn of(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        if host.ends_with(".azure.us") {
            Self {
                authority: "https://login.microsoftonline.us",
                resource: "https://cognitiveservices.azure.us",
            }
        } else if host.ends_with(".azure.cn") {
            Self {
                authority: "https://login.partner.microsoftonline.cn",
                resource: "https://cognitiveservices.azure.cn",
            }
        } else {
            Self {
                authority: "https://login.microsoftonline.com",
                resource: "https://cognitiveservices.azure.com",
            }
        }
    }
}
