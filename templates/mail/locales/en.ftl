# What mail says, in English. The other languages have the same messages and attributes: a test compares them.

role = { $role ->
    [admin] administrator
    [contributor] contributor
    [viewer] viewer
    [guest] guest
    [service] service account
   *[other] { $role }
}
layout =
    .open-page = Or open this page:
    .sent-by = { $sender ->
        [same] Sent for { $tenant }.
       *[other] Sent for { $tenant } by { $sender }.
    }
    .support = Help: { $support }
    .ignore = If you did not expect this e-mail, you can ignore it.

invitation =
    .subject = { $inviter ->
        [same] You are invited to { $tenant }
       *[other] { $inviter } invites you to { $tenant }
    }
    .lead = { $inviter ->
        [same] You are invited to join { $tenant } as { $role-name }.
       *[other] { $inviter } invites you to join { $tenant } as { $role-name }.
    }
    .button = View the invitation
    .end = The invitation expires on { $expires_at }.

join-request =
    .subject = { $person } wants to join { $tenant }
    .lead = { $person } has confirmed an address at { $domain } and asks to join { $tenant } as { $role-name }.
    .answer = Approve or decline the request in the console or through the API: { $url }

account-proof =
    .subject = Your code for { $tenant }: { $code }
    .lead = Somebody is signing in to { $tenant } through its identity provider and says that the account with this address is theirs.
    .enter = If this is you, enter this code in the browser in which you started to sign in:
    .end = The code is valid for fifteen minutes. Nobody at { $tenant } will ever ask you for it.

sign-in-link =
    .subject = Sign in to { $tenant }
    .lead = Somebody asked where to sign in with this address. You have an account at { $tenant }. Sign in here:
    .button = Sign in
    .end = The link alone does not sign anybody in.

connection-expiring =
    .subject = Sign-in to { $tenant }: the { $what } expires on { $expires_at }
    .lead = The { $what } of the connection “{ $connection }” of { $tenant } expires on { $expires_at }. After that, people may no longer be able to sign in through it.
    .what-to-do = Add its replacement to the connection before then: a connection can have several certificates at once, and a new secret is used as soon as it is saved.

token-expiring =
    .subject = { $tenant }: the SCIM token { $token } expires on { $expires_at }
    .lead = The SCIM token “{ $token }” of { $tenant } expires on { $expires_at }. After that, the identity provider can no longer synchronize the directory.
    .what-to-do = Rotate it: the new token works at once, and the old one keeps working for a day, so that you have time to replace it.

directory-blocked =
    .subject = { $tenant }: the removal of many users is blocked
    .lead = The identity provider of { $organization } ({ $tenant }) tried to deactivate or delete more users than the directory guard allows.
    .stays = Users who were already removed stay removed. All further removals are refused until an admin decides:
    .confirm = confirm (allow the removals): POST { $url }/confirm
    .reject = reject (refuse the removals): POST { $url }/reject
    .what-to-do = If nobody meant to remove these users, reject the removals, correct the assignment at the identity provider, and restore the directory.
