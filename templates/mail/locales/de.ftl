# Was Mails sagen, auf Deutsch.

role = { $role ->
    [admin] Administrator
    [contributor] Mitwirkender
    [viewer] Betrachter
    [guest] Gast
    [service] Dienstkonto
   *[other] { $role }
}
layout =
    .open-page = Oder öffnen Sie diese Seite:
    .sent-by = { $sender ->
        [same] Im Namen von { $tenant } gesendet.
       *[other] Im Namen von { $tenant } gesendet von { $sender }.
    }
    .support = Hilfe: { $support }
    .ignore = Wenn Sie diese Nachricht nicht erwartet haben, können Sie sie ignorieren.

invitation =
    .subject = { $inviter ->
        [same] Sie sind zu { $tenant } eingeladen
       *[other] { $inviter } lädt Sie zu { $tenant } ein
    }
    .lead = { $inviter ->
        [same] Sie sind eingeladen, { $tenant } beizutreten. Ihre Rolle: { $role-name }.
       *[other] { $inviter } lädt Sie ein, { $tenant } beizutreten. Ihre Rolle: { $role-name }.
    }
    .button = Einladung ansehen
    .end = Die Einladung endet am { $expires_at }.

join-request =
    .subject = { $person } möchte { $tenant } beitreten
    .lead = { $person } hat eine Adresse bei { $domain } nachgewiesen und möchte { $tenant } beitreten. Rolle: { $role-name }.
    .answer = Genehmigen oder ablehnen Sie das in der Konsole oder über die API: { $url }

account-proof =
    .subject = Ihr Code für { $tenant }: { $code }
    .lead = Jemand meldet sich über den Identitätsanbieter von { $tenant } an und gibt an, dass das Konto mit dieser Adresse ihm gehört.
    .enter = Wenn Sie das sind, geben Sie diesen Code in dem Browser ein, in dem Sie die Anmeldung begonnen haben:
    .end = Der Code gilt fünfzehn Minuten. Niemand von { $tenant } wird Sie je danach fragen.

sign-in-link =
    .subject = Bei { $tenant } anmelden
    .lead = Jemand hat gefragt, wo man sich mit dieser Adresse anmeldet. Sie haben ein Konto bei { $tenant }. Melden Sie sich hier an:
    .button = Zur Anmeldung
    .end = Der Link allein meldet niemanden an.

connection-expiring =
    .subject = Anmeldung bei { $tenant }: { $what } endet am { $expires_at }
    .lead = { $what } der Verbindung „{ $connection }“ von { $tenant } endet am { $expires_at }. Danach ist nicht sicher, dass sich jemand darüber anmelden kann.
    .what-to-do = Geben Sie der Verbindung vorher den Nachfolger: Sie nimmt mehrere Zertifikate zugleich, und ein neues Geheimnis gilt, sobald es gespeichert ist.

token-expiring =
    .subject = { $tenant }: Das SCIM-Token { $token } endet am { $expires_at }
    .lead = Das SCIM-Token „{ $token }“ von { $tenant } endet am { $expires_at }. Danach kann der Identitätsanbieter das Verzeichnis nicht mehr abgleichen.
    .what-to-do = Erneuern Sie es: Das neue Token gilt sofort, das alte noch einen Tag, damit Zeit zum Einfügen bleibt.

directory-blocked =
    .subject = { $tenant }: Das Entfernen vieler Benutzer ist blockiert
    .lead = Der Identitätsanbieter von { $organization } ({ $tenant }) wollte mehr Benutzer deaktivieren oder löschen, als der Wächter erlaubt.
    .stays = Bereits entfernte Benutzer bleiben entfernt. Alles Weitere wird abgelehnt, bis ein Administrator entscheidet:
    .confirm = bestätigen (das Entfernen zulassen): POST { $url }/confirm
    .reject = ablehnen (das Entfernen verweigern): POST { $url }/reject
    .what-to-do = Wenn niemand diese Benutzer entfernen wollte, lehnen Sie ab, berichtigen Sie die Zuweisung beim Identitätsanbieter und stellen Sie das Verzeichnis wieder her.
