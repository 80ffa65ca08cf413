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
    .ignore = If you did not expect this mail, ignore it: nothing happens.

invitation =
    .subject = { $inviter ->
        [same] You are invited to { $tenant }
       *[other] { $inviter } invites you to { $tenant }
    }
    .lead = { $inviter ->
        [same] You are invited to join { $tenant } as { $role-name }.
       *[other] { $inviter } invites you to join { $tenant } as { $role-name }.
    }
    .button = Look at the invitation
    .end = The invitation ends on { $expires_at }.

join-request =
    .subject = { $person } wants to join { $tenant }
    .lead = { $person } proved an address at { $domain } and asks to join { $tenant } as { $role-name }.
    .answer = Approve or decline it in the console or by the API: { $url }

account-proof =
    .subject = Your code for { $tenant }: { $code }
    .lead = Somebody signs in to { $tenant } through its identity provider and says that the account with this address is theirs.
    .enter = If that is you, enter this code in the browser in which you began:
    .end = It counts for fifteen minutes. Nobody of { $tenant } will ever ask you for it.

sign-in-link =
    .subject = Sign in to { $tenant }
    .lead = Somebody asked where this address signs in. You have an account at { $tenant }; this is its door:
    .button = Go to the door
    .end = The link lets nobody in by itself.

connection-expiring =
    .subject = Sign-in of { $tenant }: the { $what } ends on { $expires_at }
    .lead = The { $what } of the connection “{ $connection }” of { $tenant } ends on { $expires_at }. After that nobody can be sure to sign in by it.
    .what-to-do = Give the connection its successor before: it takes several certificates at once, and a new secret works from the moment it is saved.

token-expiring =
    .subject = { $tenant }: the SCIM token { $token } ends on { $expires_at }
    .lead = The SCIM token “{ $token }” of { $tenant } ends on { $expires_at }. After that the identity provider can't keep the directory in sync.
    .what-to-do = Rotate it: the new token works at once, the old one goes on for a day, so there is time to paste it.

directory-held =
    .subject = { $tenant }: the removal of many users is held
    .lead = The identity provider of { $organization } ({ $tenant }) began to deactivate or delete more users than its guard permits.
    .stays = The users removed before stay removed. All further removals are refused until somebody answers:
    .confirm = confirm (they go on): POST { $url }/confirm
    .reject = reject (they are refused): POST { $url }/reject
    .what-to-do = If nobody meant to remove these users, reject it, mend the identity provider's assignment, and put the directory back.
